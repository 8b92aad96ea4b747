import MarketModel
import Primitives
import StoreSinks
import Synchronization
import TapeCodec

/// The present activity of a worker, for the status page.
enum WorkerState: String, Sendable {
    /// It connects, or waits before it connects again.
    case connecting
    /// It is connected, and waits for rows.
    case idle
    case writing
    /// The circuit breaker permits no try.
    case waitingForBreaker = "waiting_for_breaker"
    /// A person has to run the migration, or to mend a table.
    case waitingForSchema = "waiting_for_schema"
    /// Its life ended by a failure that no retry can remedy; the next life begins soon.
    case dead
}

/// The last reports of the writer's threads. The intake and the workers write them, and the
/// operations port's thread reads them for the status page.
final class WriterReport: Sendable {
    /// One input of one partition.
    struct Line: Sendable {
        let input: SinkInput
        let partition: Partition
        /// The position in the database; `nil` when it is not claimed.
        let stored: SinkPosition?
        /// Why it is not read; `nil` when it is.
        let problem: String?

        init(_ place: SinkPlace, stored: SinkPosition?, problem: String?) {
            input = place.input
            partition = place.partition
            self.stored = stored
            self.problem = problem
        }
    }

    private struct Worker {
        var state = WorkerState.connecting
        /// False from a death until the next life connects.
        var isAlive = true
        /// The number of deaths.
        var restarts = 0
        /// The last failure, also after a success; `nil` when there was none.
        var lastError: String?
    }

    private struct State {
        var lines: [Line] = []
        var workers: [Int: Worker] = [:]
        var queues: WorkerQueues?
        var groups: ApartBoard?
    }

    private let state = Mutex(State())

    // MARK: the writer's threads

    /// Sets the queues to report on.
    func attach(_ queues: WorkerQueues) { state.withLock { $0.queues = queues } }

    /// Sets the groups of tables to report on.
    func attach(_ groups: ApartBoard) { state.withLock { $0.groups = groups } }

    /// Replaces the lines of all inputs.
    func update(_ lines: [Line]) { state.withLock { $0.lines = lines } }

    func set(_ state: WorkerState, thread: Int) { change(thread) { $0.state = state } }

    func isAlive(_ isAlive: Bool, thread: Int) { change(thread) { $0.isAlive = isAlive } }

    func failed(_ reason: String, thread: Int) { change(thread) { $0.lastError = reason } }

    func died(thread: Int) {
        change(thread) { worker in
            worker.state = .dead
            worker.isAlive = false
            worker.restarts += 1
        }
    }

    /// Removes a worker that ended with the service.
    func ended(thread: Int) { state.withLock { $0.workers[thread] = nil } }

    /// The groups of tables that wait apart.
    var groups: [ApartBoard.Line] { state.withLock { $0.groups }?.lines ?? [] }

    /// The number of workers that are alive.
    var alive: Int { state.withLock { $0.workers.values.count { $0.isAlive } } }

    private func change(_ thread: Int, _ body: (inout Worker) -> Void) {
        state.withLock { body(&$0.workers[thread, default: Worker()]) }
    }

    // MARK: the status page

    func write(into json: inout JSONWriter) {
        let (lines, workers, queues, groups) = state.withLock {
            ($0.lines, $0.workers, $0.queues, $0.groups)
        }
        json.object("queue") { json in queues?.write(into: &json) }
        json.array("groups_apart") { json in
            for line in groups?.lines ?? [] { write(line, into: &json) }
        }
        json.array("workers") { json in
            for (thread, worker) in workers.sorted(by: { $0.key < $1.key }) {
                write(thread, worker, into: &json)
            }
        }
        json.array("positions") { json in
            let present = lines.sorted {
                ($0.partition, $0.input.rawValue) < ($1.partition, $1.input.rawValue)
            }
            for line in present { write(line, into: &json) }
        }
    }

    private func write(_ line: ApartBoard.Line, into json: inout JSONWriter) {
        json.object { json in
            json.member("group", line.group.rawValue)
            json.member("table", line.reason.table.rawValue)
            json.member("reason", line.reason.text)
            json.member("since", line.reason.since.description)
            json.member("behind_seconds", Double(line.behindNanoseconds) / 1e9)
            json.array("inputs") { json in
                for input in line.inputs { json.value(InputNumber.name(input)) }
            }
        }
    }

    private func write(_ thread: Int, _ worker: Worker, into json: inout JSONWriter) {
        json.object { json in
            json.member("thread", thread)
            json.member("state", worker.state.rawValue)
            json.member("restarts", worker.restarts)
            json.key("last_error")
            if let error = worker.lastError { json.value(error) } else { json.null() }
        }
    }

    private func write(_ line: Line, into json: inout JSONWriter) {
        json.object { json in
            json.member("input", line.input.rawValue)
            json.member("partition", line.partition.number)
            json.key("problem")
            if let problem = line.problem { json.value(problem) } else { json.null() }
            json.member("owner_epoch", line.stored?.ownerEpoch ?? 0)
            json.member("sequence", line.stored?.position?.sequence ?? 0)
            json.member("sources", each: line.stored?.sources ?? []) { source, json in
                json.member("source", source.source.text)
                json.member("last_ordinal", source.lastOrdinal)
                json.member("written", source.written)
                json.member("skipped", source.skipped)
                json.member("dead_lettered", source.deadLettered)
            }
        }
    }
}
