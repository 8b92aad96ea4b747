import AlpacaEngine
import EngineKit
import HistoryTestSupport
import MassiveEngine
import Primitives

/// The services that `StreamMachine` serves.
enum Venue: CaseIterable, Sendable {
    case alpaca, massive

    static let second: Int64 = 1_000_000_000
    static let minute: Int64 = 60 * second

    /// Returns a bench of its engine, with other settings.
    func bench(_ change: (inout StreamSettings) -> Void = { _ in }) -> any ServiceEngineBench {
        switch self {
        case .alpaca: ServiceBench<AlpacaWords>(AlpacaWords.venue(change))
        case .massive: ServiceBench<MassiveWords>(MassiveWords.venue(change))
        }
    }

    private var words: any VenueWords.Type {
        switch self {
        case .alpaca: AlpacaWords.self
        case .massive: MassiveWords.self
        }
    }

    /// A message that says twice what it is.
    var fieldTwice: String {
        switch self {
        case .alpaca: #"[{"T":"t","T":"t"}]"#
        case .massive: #"[{"ev":"T","ev":"T"}]"#
        }
    }

    /// Returns a bench whose key the service has refused on the first connection.
    func refusedBench() -> any ServiceEngineBench {
        var bench = bench()
        bench.follow(["AAPL"])
        _ = bench.takeWishes()
        bench.opened(1)
        bench.receive(connected, on: 1, isText: true)
        bench.receive(refusedKey, on: 1, isText: true)
        return bench
    }

    var connected: String { words.connected }
    var refusedKey: String { words.refusedKey }

    /// Returns what the bench says that was wrong after a fault.
    func problems(of fault: Fault, hostAhead: Int64) -> [String] {
        switch self {
        case .alpaca: Self.problems(of: fault, hostAhead, AlpacaWords.self)
        case .massive: Self.problems(of: fault, hostAhead, MassiveWords.self)
        }
    }

    private static func problems<Words: VenueWords>(
        of fault: Fault, _ hostAhead: Int64, _ words: Words.Type
    ) -> [String] {
        var bench = ServiceBench<Words>(
            Words.venue { if case .filling = fault { $0.fills = true } })
        bench.hostAhead = hostAhead * second
        bench.follow(["AAPL"])
        return switch fault {
        case .connection(let fault): FaultWorld.problems(of: fault, bench)
        case .filling(let filling): FaultWorld.problems(of: filling, bench)
        }
    }
}

/// What happens to a connection, or while its gap is filled.
enum Fault: Sendable {
    case connection(ConnectionFault)
    case filling(Filling)
}
