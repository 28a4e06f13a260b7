/**
 * Coordination for systems of AI agents: mailboxes with leases, retries and dead letters on one storage contract.
 *
 * @example
 * ```ts
 * import { MemoryBackend, MessageCoordinator, serveAgent } from "@tta/agent-coordination";
 *
 * await using backend = new MemoryBackend(); // or SqliteBackend, and nothing else changes
 * const coordinator = new MessageCoordinator(backend);
 *
 * await using _greeter = serveAgent(coordinator, {
 *   agentId: { type: "greeter" },
 *   process: ({ payload }) => ({ text: `Hello, ${payload.name}!` }),
 * });
 *
 * const reply = await coordinator.request({ type: "greeter" }, { name: "Ada" });
 * console.log(reply.payload.text); // Hello, Ada!
 * ```
 *
 * @module
 */

export { type Clock, systemClock } from "./src/clock.ts";
export {
  BackendClosedError,
  BackendCorruptError,
  BackendUnavailableError,
  CommitRefusedError,
  CoordinationError,
  CrossBackendError,
  type ErrorCode,
  JournalFullError,
  LeaseLostError,
  OutcomeUnknownError,
  PermanentFailureError,
  QueueFullError,
  RequestFailedError,
  RequestTimeoutError,
  SchemaNewerError,
  ValueTooLargeError,
} from "./src/errors.ts";

export type {
  AckOperation,
  BackendTraits,
  Batch,
  BuryOperation,
  Changes,
  Check,
  ClaimOptions,
  CommitResult,
  Committed,
  DeleteOperation,
  Delivery,
  EnqueueOperation,
  Entry,
  ExtendOperation,
  Health,
  Lease,
  ListOptions,
  MessageListOptions,
  MessageState,
  Operation,
  OperationResult,
  PurgeOperation,
  QueueStats,
  RedriveOperation,
  Refused,
  RetryOperation,
  SetOperation,
  StorageBackend,
  StoredMessage,
  Unlisten,
} from "./src/storage/backend.ts";
export type { JsonObject, JsonValue } from "./src/storage/json.ts";
export type { Key } from "./src/storage/key.ts";
export { mergeBatches } from "./src/storage/batch.ts";

export { MessageCoordinator } from "./src/messages/coordinator.ts";
export type { CoordinatorConfiguration } from "./src/messages/configuration.ts";
export type { DeadLetterFilter, PurgeFilter } from "./src/messages/maintenance.ts";
export {
  type AgentId,
  type AgentMessage,
  type AgentMessageInput,
  type DeadLetter,
  FailureType,
  type MessageError,
  MessagePriority,
  type MessageResult,
  type MessageSubscription,
  MessageType,
  type QueueMessage,
  type RoutingKey,
} from "./src/messages/model.ts";
export type {
  AckOptions,
  BroadcastOptions,
  MailboxStats,
  MessageCoordinatorOptions,
  NackOptions,
  ReceiveOptions,
  RequestOptions,
  SendOptions,
  SubscribeOptions,
} from "./src/messages/options.ts";
export type { Inbox, TakeOptions } from "./src/messages/inbox.ts";
export type { ReceivedMessage } from "./src/messages/received.ts";
export {
  type AgentProxy,
  type AgentServer,
  type ProcessContext,
  type ProcessResult,
  serveAgent,
  type ServeOptions,
  type StopOptions,
} from "./src/messages/worker.ts";

export { AgentRegistry } from "./src/agents/registry.ts";
export type { AgentRegistryOptions } from "./src/agents/registry_options.ts";
export type {
  AgentEvent,
  AgentEventBase,
  AgentInfo,
  BackEvent,
  DeathEvent,
  ExpiryHeldEvent,
  JoinEvent,
  LeaveEvent,
  ListAgentsOptions,
  Liveness,
  LocalAgentInfo,
  Registration,
  RegistryAgent,
  RegistrySnapshot,
  StatusEvent,
  SuspectEvent,
  WatchOptions,
} from "./src/agents/model.ts";
export type { RegistryEventMap } from "./src/agents/registry_events.ts";
export { StaleIncarnationError } from "./src/agents/stale_incarnation.ts";

export { CircuitBreaker } from "./src/resilience/circuit_breaker.ts";
export { CircuitBreakerOpenError } from "./src/resilience/breaker_error.ts";
export type { BreakerEventMap, BreakerTransition } from "./src/resilience/breaker_events.ts";
export type { CircuitBreakerOptions } from "./src/resilience/breaker_options.ts";
export type { BreakerStateName } from "./src/resilience/breaker_state.ts";
export type {
  CallContext,
  Callee,
  CallOptions,
  CallOutcome,
  CircuitBreakerMetrics,
  Rejection,
} from "./src/resilience/breaker_types.ts";
export type { FailureRate } from "./src/resilience/trip_rule.ts";
export {
  type BackoffCurve,
  backoffDelayMs,
  backoffDelays,
  type BackoffStep,
  equalJitter,
  fullJitter,
  type JitterKind,
  type RandomSource,
} from "./src/resilience/backoff.ts";
export { type RetryConfig, retryWithBackoff, type TryContext, withRetry } from "./src/resilience/retry.ts";
export { RetryBudget, type RetryBudgetLike, type RetryBudgetOptions } from "./src/resilience/retry_budget.ts";
export { SharedRetryBudget, type SharedRetryBudgetOptions } from "./src/resilience/shared_retry_budget.ts";
export { classifyError, type ErrorCategory, isRetryable } from "./src/resilience/error_category.ts";

export {
  CountingMetrics,
  type MessageMetrics,
  type MetricsSnapshot,
  NullMetrics,
} from "./src/observability/metrics.ts";

export type { TraceContext } from "./src/observability/trace_context.ts";

export { MemoryPrimitive, type MemoryPrimitiveOptions } from "./presets/memory_primitive.ts";
export { InMemoryStore, type InMemoryStoreOptions } from "./src/memory/in_memory_store.ts";
export { Memory, type MemoryOptions, type MemorySource } from "./src/memory/memory.ts";
export { createMemoryKey } from "./src/memory/memory_key.ts";
export type {
  AddOptions,
  Compacted,
  CompactOptions,
  Embedder,
  EntriesOptions,
  FieldValue,
  MemoryBackendInfo,
  MemoryChange,
  MemoryEntry,
  MemoryVersion,
  NewEntry,
  ReadonlyVectors,
  Recalled,
  RecallOptions,
  SearchHit,
  SearchMode,
  SearchOptions,
  SessionHit,
} from "./src/memory/model.ts";
export { porterStem } from "./src/memory/porter.ts";
export type { AnalyzerOptions } from "./src/memory/text.ts";

export { MemoryBackend, type MemoryBackendOptions } from "./backends/memory.ts";
