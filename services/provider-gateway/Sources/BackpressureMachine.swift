import MarketModel
import Primitives

/// What is done with ticks of one kind while there is little room.
enum BackpressurePolicy: String, Sendable {
    /// They go into the spool; when that is full the provider waits.
    case block
    /// About one quote per symbol and second, and the last one always.
    case conflate
    case drop
    /// The service ends.
    case error
}

/// Decides what happens to each tick, by how much room there is. Pure.
///
/// *Free*: everything is taken. *Pressed*: the tape's headroom is low, or neither it nor the spool
/// takes anything; then the policies act. Each cause comes and goes by itself.
struct BackpressureMachine: Sendable {
    struct Policies: Hashable, Sendable {
        var trades = BackpressurePolicy.block
        var quotes = BackpressurePolicy.block
    }

    struct Causes: OptionSet, Hashable, Sendable {
        let rawValue: UInt8
        /// Publishing would soon be refused.
        static let headroom = Causes(rawValue: 1)
        /// Neither the tape nor the spool takes anything.
        static let noRoom = Causes(rawValue: 2)

        var text: String {
            switch self {
            case .headroom: "the tape is nearly full"
            case .noRoom: "neither the tape nor the spool takes anything"
            case []: "there is room"
            default: "the tape is nearly full, and neither it nor the spool takes anything"
            }
        }
    }

    enum Action: Hashable, Sendable {
        case take
        case leaveOut
        /// It waits, and the next quote of its symbol takes its place.
        case hold
        case end
    }

    private static let conflateNanoseconds: Int64 = 1_000_000_000

    let policies: Policies
    private(set) var causes: Causes = []
    /// Per symbol: when its last quote was taken while quotes are conflated.
    private var quoteTaken: [Timestamp]

    init(_ policies: Policies, symbols: Int) {
        self.policies = policies
        quoteTaken = [Timestamp](repeating: Timestamp(nanoseconds: .min), count: symbols)
    }

    var isPressed: Bool { !causes.isEmpty }

    /// The causes after the change; nil: it is none.
    mutating func set(_ cause: Causes, _ isThere: Bool) -> Causes? {
        guard causes.contains(cause) != isThere else { return nil }
        if isThere { causes.insert(cause) } else { causes.remove(cause) }
        return causes
    }

    /// Of a tick that is due. Allocates nothing.
    ///
    /// What is fetched to fill a gap is not conflated: its times say nothing of what is latest.
    mutating func action(
        kind: DataKind, symbol: Int, time: Timestamp, isFetched: Bool = false
    ) -> Action {
        guard isPressed else { return .take }
        switch policy(kind) {
        case .block: return .take
        case .drop: return .leaveOut
        case .error: return .end
        case .conflate:
            guard kind == .quote, symbol < quoteTaken.count else { return .leaveOut }
            guard !isFetched else { return .take }
            let last = quoteTaken[symbol]
            // Times of another market may jump back.
            guard time < last || time.nanoseconds(since: last) >= Self.conflateNanoseconds else {
                return .hold
            }
            quoteTaken[symbol] = time
            return .take
        }
    }

    /// A quote that waited was taken.
    mutating func tookQuote(symbol: Int, time: Timestamp) {
        guard symbol < quoteTaken.count else { return }
        quoteTaken[symbol] = max(quoteTaken[symbol], time)
    }

    /// Whether the provider waits when the tick finds no room; else it is left out, or held.
    func waits(kind: DataKind) -> Bool { policy(kind) == .block }

    /// Whether the tick is held when it finds no room.
    func holds(kind: DataKind, symbol: Int, isFetched: Bool) -> Bool {
        kind == .quote && policies.quotes == .conflate && !isFetched && symbol < quoteTaken.count
    }

    /// What comes again and again follows the policy of quotes: rows of books and what is computed
    /// of options, which nothing can be conflated to, are left out where quotes are. All else is
    /// said once, as trades are.
    private func policy(_ kind: DataKind) -> BackpressurePolicy {
        switch kind {
        case .quote, .depth, .optionComputation: policies.quotes
        case .any, .trade, .providerBar, .news, .fundamental, .indicator: policies.trades
        }
    }

    mutating func addSymbol() { quoteTaken.append(Timestamp(nanoseconds: .min)) }
}
