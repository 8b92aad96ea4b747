import MarketModel
import ServiceRuntime
import Synchronization
import TapeProtocol
import TapeTransport
import Telemetry
import ValkeyClient

/// The writer as a whole: its threads, each with its share of the partitions, and the hot state
/// beside them.
struct Writer: Sendable {
    private let settings: WriterSettings
    private let client: TapeClient
    private let context: ServiceContext
    private let report: WriterReport

    init(
        _ settings: WriterSettings, client: TapeClient, context: ServiceContext,
        report: WriterReport
    ) {
        self.settings = settings
        self.client = client
        self.context = context
        self.report = report
    }

    /// Runs until all threads have ended: when shutdown is asked for, or one of them asks for it.
    func run() throws -> ExitCode {
        let ending = Ending()
        var threads: [ServiceThread] = []
        defer { for thread in threads { thread.join() } }
        do {
            for number in 0..<settings.threads {
                threads.append(try startWriter(number, ending))
            }
            if let valkey = settings.valkey { threads.append(try startHotState(valkey)) }
            // From here on the threads speak for themselves.
            context.readiness.set(ReadinessPart.tape, nil)
        } catch {
            context.shutdown.request("a thread could not be started")
            throw error
        }
        for thread in threads { thread.join() }
        threads = []
        return ending.code
    }

    /// The first reason to end that is not the wish from outside.
    private final class Ending: Sendable {
        private let first = Mutex<ExitCode>(.success)

        var code: ExitCode { first.withLock { $0 } }

        func note(_ code: ExitCode) {
            first.withLock { if $0 == .success { $0 = code } }
        }
    }

    private func startWriter(_ number: Int, _ ending: Ending) throws -> ServiceThread {
        let own = settings.partitions.enumerated()
            .filter { $0.offset % settings.threads == number }.map(\.element)
        context.readiness.set(WriterThread.part(number), "the positions are not read yet")
        return try ServiceThread(name: "writer-\(number)") {
            do {
                let thread = try WriterThread(
                    number, partitions: own, settings: settings, client: client,
                    context: context, report: report)
                ending.note(thread.run())
            } catch {
                context.telemetry.emit(WriterThreadFailed(thread: number, reason: "\(error)"))
                ending.note(.unavailable)
            }
            context.shutdown.request("writer thread \(number) ended")
        }
    }

    private func startHotState(_ valkey: ValkeyConfiguration) throws -> ServiceThread {
        context.readiness.set(HotState.part, "Valkey is not connected yet")
        return try ServiceThread(name: "hot-state") {
            do {
                try HotState(valkey, client: client, context: context).run()
            } catch {
                context.telemetry.emit(HotStateFailed(reason: "\(error)"))
                context.readiness.set(HotState.part, "\(error)")
            }
        }
    }
}
