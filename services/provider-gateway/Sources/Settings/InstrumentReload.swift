import MarketModel
import ProviderKit
import ServiceRuntime
import Synchronization
import YAMLFile

/// Reads the lists of instruments again on request, on a separate thread because a disk may be
/// slow. The result waits for the gateway's thread. A list with mistakes changes nothing.
final class InstrumentReload: Sendable {
    private struct State {
        /// Whether a thread reads the lists.
        var isReading = false
        /// Whether a reading was requested while one was under way, so that another one follows.
        var isAskedAgain = false
        /// The list that was read and not taken; `nil` when there is none.
        var list: [Instrument]?
    }

    private let source: SourceName
    private let lists: InstrumentLists
    private let telemetry: TelemetryHub
    private let state = Mutex(State())

    init(_ source: SourceName, _ lists: InstrumentLists, _ telemetry: TelemetryHub) {
        self.source = source
        self.lists = lists
        self.telemetry = telemetry
    }

    /// Requests a reading. Any thread may call it, any number of times; only one thread reads
    /// files.
    func ask() {
        let isFirst = state.withLock { state in
            defer { state.isReading = true }
            state.isAskedAgain = state.isReading
            return !state.isReading
        }
        guard isFirst else { return }
        do throws(ServiceError) {
            _ = try ServiceThread(name: "instruments") { [self] in readAll() }
        } catch {
            state.withLock { $0.isReading = false }
            telemetry.emit(InstrumentsRefused(source: source, lines: ["\(error)"]))
        }
    }

    /// Reads until no further reading is requested.
    private func readAll() {
        var isToRead = true
        while isToRead {
            do throws(FileMistakes) {
                let list = try lists.read()
                state.withLock { $0.list = list }
            } catch {
                telemetry.emit(InstrumentsRefused(source: source, lines: error.lines))
            }
            isToRead = state.withLock { state in
                defer { state.isAskedAgain = false }
                state.isReading = state.isAskedAgain
                return state.isAskedAgain
            }
        }
    }

    /// Returns the list that was read since the last call, or `nil`.
    func take() -> [Instrument]? {
        state.withLock { state in
            defer { state.list = nil }
            return state.list
        }
    }
}

extension GatewayParts {
    /// Applies a list that was read again and returns the change, or `nil` when there is none.
    func newInstruments() -> InstrumentRegistry.Change? {
        guard let list = instruments?.take() else { return nil }
        let change = settings.delivery.registry.follow(list)
        context.telemetry.emit(
            InstrumentsTaken(
                source: settings.source, wanted: settings.delivery.registry.wanted.count,
                change: change
            ))
        return change
    }
}

/// Reports that the list of instruments was read again and is valid now.
struct InstrumentsTaken: TelemetryEvent {
    static let name = "gateway.instruments"
    let source: SourceName
    /// The number of instruments that are requested now.
    let wanted: Int
    let change: InstrumentRegistry.Change

    var level: LogLevel { change.refused.isEmpty ? .info : .error }
    var message: String {
        guard let first = change.refused.first else { return "the list of instruments holds" }
        return "\(change.refused.count) instruments, \(first) the first of them, are more than "
            + "this process has numbers for: start it anew"
    }
    var fields: [(String, LogValue)] {
        [
            ("source", .text(source.text)), ("instruments", .integer(Int64(wanted))),
            ("begun", .integer(Int64(change.begun.count))),
            ("ended", .integer(Int64(change.ended.count))),
            ("redefined", .integer(Int64(change.redefined.count))),
        ]
    }

    func count(in metrics: MetricRegistry) { InstrumentsRefused.reloads("taken", metrics, source) }
}

/// Reports that the list of instruments could not be read or is wrong.
struct InstrumentsRefused: TelemetryEvent {
    static let name = "gateway.instruments.refused"
    let source: SourceName
    let lines: [String]

    var level: LogLevel { .error }
    var message: String {
        let more = lines.count > 1 ? " (and \(lines.count - 1) more)" : ""
        return "the instruments stay as they were: \(lines.first ?? "")\(more)"
    }
    var fields: [(String, LogValue)] { [("source", .text(source.text))] }

    func count(in metrics: MetricRegistry) { Self.reloads("refused", metrics, source) }

    static func reloads(_ outcome: String, _ metrics: MetricRegistry, _ source: SourceName) {
        metrics.counter(
            "mds_gateway_instrument_reloads_total",
            "How often the lists of instruments were read again.",
            labels: [("source", source.text), ("outcome", outcome)]
        ).add()
    }
}
