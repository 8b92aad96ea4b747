import MarketModel
import Primitives

/// The choices of what to do with ticks of one kind while there is little room.
enum BackpressurePolicy: String, Sendable {
    /// Every tick is taken, into the spool if necessary. When nothing has room, the provider waits.
    case block
    /// The tape gets about one quote per symbol and second, and always the last one.
    case conflate
    /// Ticks are left out, and a gap record covers them.
    case drop
    /// The service ends.
    case error
}

/// Decides what happens to each tick, depending on the room. Pure.
///
/// *Free*: every tick is taken. *Pressed*: the tape's headroom is low, or neither the tape nor the
/// spool accepts anything; then the policies act. Each cause begins and ends independently.
struct BackpressureMachine: Sendable {
    /// The policies, as configured.
    struct Policies: Hashable, Sendable {
        var trades = BackpressurePolicy.block
        var quotes = BackpressurePolicy.block
    }

    /// Why the source is pressed. Empty: it is not.
    struct Causes: OptionSet, Hashable, Sendable {
        let rawValue: UInt8
        /// Publishing would soon be refused.
        static let headroom = Causes(rawValue: 1)
        /// Neither the tape nor the spool accepts anything.
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

    /// What happens to a tick.
    enum Action: Hashable, Sendable {
        /// It goes onto the tape.
        case take
        /// It does not go onto the tape; a gap record covers it.
        case leaveOut
        /// The quote waits; the next quote of its symbol replaces it.
        case hold
        /// The service ends, as the policy `error` requires.
        case end
    }

    /// The time between two quotes of a symbol that are taken while quotes are conflated.
    private static let conflateNanoseconds: Int64 = 1_000_000_000

    let policies: Policies
    private(set) var causes: Causes = []
    /// Per symbol number: the time of the last quote that was taken while quotes are conflated.
    private var quoteTaken: [Timestamp]

    init(_ policies: Policies, symbols: Int) {
        self.policies = policies
        quoteTaken = [Timestamp](repeating: Timestamp(nanoseconds: .min), count: symbols)
    }

    /// Whether the policies act.
    var isPressed: Bool { !causes.isEmpty }

    /// Sets or clears a cause. Returns the causes after the change, or `nil` when nothing has
    /// changed.
    mutating func set(_ cause: Causes, _ isThere: Bool) -> Causes? {
        guard causes.contains(cause) != isThere else { return nil }
        if isThere { causes.insert(cause) } else { causes.remove(cause) }
        return causes
    }

    /// Returns what happens to a tick that is due. Allocates nothing.
    ///
    /// A quote of a backfill (`isBackfilled`) is not conflated: its time does not show which quote
    /// is the latest.
    mutating func action(
        kind: DataKind, symbol: Int, time: Timestamp, isBackfilled: Bool = false
    ) -> Action {
        guard isPressed else { return .take }
        switch policy(kind) {
        case .block: return .take
        case .drop: return .leaveOut
        case .error: return .end
        case .conflate:
            guard kind == .quote, symbol < quoteTaken.count else { return .leaveOut }
            guard !isBackfilled else { return .take }
            let last = quoteTaken[symbol]
            // The times of another market may jump back.
            guard time < last || time.nanoseconds(since: last) >= Self.conflateNanoseconds else {
                return .hold
            }
            quoteTaken[symbol] = time
            return .take
        }
    }

    /// Notes that a held quote was taken.
    mutating func tookHeldQuote(symbol: Int, time: Timestamp) {
        guard symbol < quoteTaken.count else { return }
        quoteTaken[symbol] = max(quoteTaken[symbol], time)
    }

    /// Returns whether the provider waits when the tick finds no room. If not, the tick is left
    /// out, or held.
    func providerWaits(kind: DataKind) -> Bool { policy(kind) == .block }

    /// Returns whether the tick is held when it finds no room: a live quote whose policy is
    /// `conflate`.
    func holds(kind: DataKind, symbol: Int, isBackfilled: Bool) -> Bool {
        kind == .quote && policies.quotes == .conflate && !isBackfilled && symbol < quoteTaken.count
    }

    /// Returns the policy of a kind. Data that are sent again and again follow the policy of
    /// quotes: rows of books and computations of options cannot be conflated, so they are left out
    /// instead. All other data are sent once, as trades are, and follow the policy of trades.
    private func policy(_ kind: DataKind) -> BackpressurePolicy {
        switch kind {
        case .quote, .depth, .optionComputation: policies.quotes
        case .any, .trade, .providerBar, .news, .fundamental, .indicator: policies.trades
        }
    }

    /// Adds the next symbol number.
    mutating func addSymbol() { quoteTaken.append(Timestamp(nanoseconds: .min)) }
}
