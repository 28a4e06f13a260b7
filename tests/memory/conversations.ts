/** Conversations of two people over half a year, with questions about them: what guards the ranking of sessions. @module */

/** A conversation: when it was, and who said what. */
interface Talk {
  readonly session: string;
  readonly date: string;
  readonly turns: readonly string[];
}

/** A question, and the turns that answer it, as `session:turn`. */
export interface Question {
  readonly text: string;
  readonly evidence: readonly string[];
}

/** The conversations, in the order in which they were held. */
export const TALKS: readonly Talk[] = [
  {
    session: "moving",
    date: "12 January 2026",
    turns: [
      "Mira: We finally got the keys to the flat in Bergen!",
      "Jonas: Congratulations! When do you move in?",
      "Mira: On the first of February, if the painters are done by then.",
      "Jonas: Which colour did you choose in the end?",
      "Mira: A dark green for the kitchen, and white everywhere else.",
      "Jonas: Do you need help with the boxes? I have a van until March.",
      "Mira: That would be wonderful. The piano worries me most, it has to go up three floors.",
      "Jonas: My cousin did that for a living. I will ask him.",
    ],
  },
  {
    session: "illness",
    date: "28 January 2026",
    turns: [
      "Jonas: I was at the doctor this morning. It is the knee again.",
      "Mira: Oh no. From the marathon?",
      "Jonas: She thinks I tore something when I slipped on the ice. There is a scan on Thursday.",
      "Mira: Can you still work?",
      "Jonas: From home, yes. No running until summer though.",
      "Mira: You could come swimming with me, that is easy on the joints.",
      "Jonas: I have not been in a pool for ten years, but why not.",
      "Mira: Tuesdays at seven, then.",
    ],
  },
  {
    session: "cat",
    date: "9 February 2026",
    turns: [
      "Mira: Guess who sits on my windowsill. We adopted a cat.",
      "Jonas: From the shelter? What is she called?",
      "Mira: Pepper. She is four, grey, and missing half an ear.",
      "Jonas: Does she get along with your brother's dog?",
      "Mira: They have not met. He visits at Easter, so we will see.",
      "Jonas: Mine used to hide in the laundry whenever there was a guest.",
      "Mira: She sleeps on top of the fridge, where it is warm.",
      "Jonas: Send me a picture!",
    ],
  },
  {
    session: "job",
    date: "2 March 2026",
    turns: [
      "Jonas: I handed in my notice today.",
      "Mira: What? At the bank? After eleven years?",
      "Jonas: I start at a small company that builds tide gauges, in April.",
      "Mira: That sounds like you. What will you do there?",
      "Jonas: Firmware, mostly, and a bit of travelling along the coast to install them.",
      "Mira: And the pay?",
      "Jonas: Less, but I get Fridays off.",
      "Mira: Then you have no excuse left not to finish the boat.",
    ],
  },
  {
    session: "easter",
    date: "7 April 2026",
    turns: [
      "Mira: The holidays were a disaster and very funny.",
      "Jonas: Tell me everything.",
      "Mira: The dog chased her up the curtains, and the rail came down into the soup.",
      "Jonas: Whose soup?",
      "Mira: My grandmother's fish soup. She laughed the loudest of all.",
      "Jonas: How is she? She turns ninety soon, does she not?",
      "Mira: On the fourteenth of June. We are planning a party by the lake.",
      "Jonas: Put me down for the cake. I will make the one with almonds.",
    ],
  },
  {
    session: "boat",
    date: "18 April 2026",
    turns: [
      "Jonas: The hull is done. I sanded it for two weekends.",
      "Mira: What will she be called?",
      "Jonas: Nora, after my aunt who taught me how to sail.",
      "Mira: That is lovely. When can we go out?",
      "Jonas: The mast comes in May. And I still have to find an engine that I can afford.",
      "Mira: My neighbour sells an old diesel. It stood in his garage for years.",
      "Jonas: Ask him what he wants for it!",
      "Mira: He said four thousand crowns, or a crate of good beer and three thousand.",
    ],
  },
  {
    session: "concert",
    date: "5 May 2026",
    turns: [
      "Mira: My choir sings in the cathedral on the twentieth.",
      "Jonas: I will be there. What is on the programme?",
      "Mira: Fauré's Requiem, and two pieces by somebody from Iceland.",
      "Jonas: Do you sing alone at any point?",
      "Mira: Eight bars. I have been nervous about them since Christmas.",
      "Jonas: You sang all through the whole drive to Oslo and were not nervous at all.",
      "Mira: Nobody paid for that.",
      "Jonas: I would have.",
    ],
  },
  {
    session: "allergy",
    date: "19 May 2026",
    turns: [
      "Jonas: For the cake: does anybody in your family have allergies?",
      "Mira: Good that you ask. My nephew cannot have nuts at all.",
      "Jonas: Then the almonds are out.",
      "Mira: Could you do the lemon one instead?",
      "Jonas: Lemon and poppy seed. How many people are coming?",
      "Mira: Forty, if my uncle brings both of his former wives.",
      "Jonas: I had better make two.",
      "Mira: Make three. You have not seen my uncle eat.",
    ],
  },
  {
    session: "launch",
    date: "30 May 2026",
    turns: [
      "Jonas: She floats! We put her into the water this morning.",
      "Mira: And the diesel?",
      "Jonas: It started at the second try, and then smoked like a factory.",
      "Mira: I told you to change the filters.",
      "Jonas: You did. The knee held up too, I climbed the mast.",
      "Mira: Without telling your doctor, I suppose.",
      "Jonas: She was standing on the pier. She took the photograph.",
      "Mira: Now I want to know more about this doctor.",
    ],
  },
  {
    session: "party",
    date: "16 June 2026",
    turns: [
      "Mira: Grandmother wants to marry you for those cakes.",
      "Jonas: I thought I saw her put a slice into her handbag.",
      "Mira: Two slices. It rained so hard that we all ended up in the boathouse.",
      "Jonas: The accordion player was the best idea you had.",
      "Mira: He is the plumber who fixed our heating in the winter.",
      "Jonas: And your nephew won the sack race in spite of the mud.",
      "Mira: He wears the medal to bed.",
      "Jonas: Ninety years. I hope I can still dance like that at sixty.",
    ],
  },
];

/** The questions. */
export const QUESTIONS: readonly Question[] = [
  { text: "In which city is Mira's new flat?", evidence: ["moving:0"] },
  { text: "When does Mira move into the flat?", evidence: ["moving:2"] },
  { text: "What colour is the kitchen painted?", evidence: ["moving:4"] },
  { text: "What did Mira worry about most when carrying things up the stairs?", evidence: ["moving:6"] },
  { text: "How did Jonas hurt his knee?", evidence: ["illness:2"] },
  { text: "On which day do they go swimming?", evidence: ["illness:7", "illness:5"] },
  { text: "What is the name of the cat?", evidence: ["cat:2"] },
  { text: "Where does the cat like to sleep?", evidence: ["cat:6"] },
  { text: "Where did Jonas work before he handed in his notice?", evidence: ["job:1"] },
  { text: "What does Jonas do at the company that builds tide gauges?", evidence: ["job:4"] },
  { text: "Which day of the week does Jonas have off in his new job?", evidence: ["job:6"] },
  { text: "What fell into the soup?", evidence: ["easter:2"] },
  { text: "When is the grandmother's ninetieth birthday?", evidence: ["easter:6"] },
  { text: "After whom is the boat named?", evidence: ["boat:2"] },
  { text: "How much does the neighbour want for the diesel engine?", evidence: ["boat:7"] },
  { text: "What does the choir sing in the cathedral?", evidence: ["concert:2"] },
  { text: "How long is Mira's solo at the concert?", evidence: ["concert:4"] },
  { text: "Who is allergic to nuts?", evidence: ["allergy:1"] },
  { text: "How many guests are expected?", evidence: ["allergy:5"] },
  { text: "What happened when the engine was started for the first time?", evidence: ["launch:2"] },
  { text: "Who took the photograph of Jonas on the mast?", evidence: ["launch:6"] },
  { text: "Where did everybody go when it rained at the party?", evidence: ["party:2"] },
  { text: "Who played the accordion?", evidence: ["party:4"] },
  { text: "Which race did the nephew win?", evidence: ["party:5"] },
];
