import MarketModel
import Primitives

/// The choices of what to do with ticks of one kind while the source is pressed: see
/// `BackpressureMachine`. The keys `GATEWAY_POLICY_TRADES` and `GATEWAY_POLICY_QUOTES` have the
/// policies.
enum BackpressurePolicy: String, Sendable {
    /// Every tick is taken, into the spool if necessary. When nothing has room, the tick stays in
    /// the provider's channel, and the provider waits.
    case block
    /// The tape gets about one quote per symbol and second, and always the last one.
    case conflate
    /// Ticks are left out, and a gap record covers them.
    case drop
    /// The service ends.
    case error
}

/// Decides what happens to each tick, depending on the room that the tape and the spool have. Pure.
///
/// The source is *free*, so that every tick is taken, or *pressed*, so that the policies act. It is
/// pressed while the tape is nearly full, while neither the tape nor the spool accepts ticks, and
/// for a second after more ticks came than its ceiling allows. Each of these causes begins and ends
/// independently; `SourceTenure` sets them. One more cause, a group that is far behind, does not
/// let the policies act: it conflates quotes, and leaves out nothing else. A `symbol` is the
/// instrument's number in the source's list.
struct BackpressureMachine: Sendable {
    /// The policies, as configured.
    struct Policies: Hashable, Sendable {
        var trades = BackpressurePolicy.block
        var quotes = BackpressurePolicy.block
        /// The ceiling of the source; 0: there is none.
        var ticksPerSecond = 0
        /// How many ticks the slowest group may be behind before a source that can wait waits; 0:
        /// any number (`StorePressure`).
        var lagMax = 0
        /// How many ticks it may be behind before quotes of a live feed are conflated; 0: any
        /// number (`BacklogSteps`).
        var lagConflate = 0
    }

    /// Why the source is pressed. Empty: it is not.
    struct Causes: OptionSet, Hashable, Sendable {
        let rawValue: UInt8
        /// The tape is nearly full (`HeadroomLevel` is low): publishing would soon be refused.
        static let headroom = Causes(rawValue: 1)
        /// Neither the tape nor the spool accepts ticks.
        static let noRoom = Causes(rawValue: 2)
        /// More ticks come than `TickCeiling` allows.
        static let ceiling = Causes(rawValue: 4)
        /// A needed group is far behind the tape (`BacklogSteps`).
        static let backlog = Causes(rawValue: 8)

        private static let texts: [(cause: Causes, text: String)] = [
            (.headroom, "the tape is nearly full"),
            (.noRoom, "neither the tape nor the spool takes anything"),
            (.ceiling, "more ticks come than GATEWAY_TICKS_PER_SECOND allows"),
            (.backlog, "a group is so far behind that quotes are conflated"),
        ]

        var text: String {
            let present = Self.texts.filter { contains($0.cause) }.map(\.text)
            return present.isEmpty ? "there is room" : present.joined(separator: ", and ")
        }

        /// Whether the policies act.
        var letPoliciesAct: Bool { !subtracting(.backlog).isEmpty }
    }

    /// What happens to a tick.
    enum Action: Hashable, Sendable {
        /// It goes onto the tape, through the spool if necessary.
        case take
        /// It does not go onto the tape; a gap record covers it.
        case leaveOut
        /// The quote waits; the next quote of its symbol replaces it.
        case hold
        /// The service ends, as the policy `error` requires.
        case end
    }

    /// The shortest time between two quotes of a symbol that are taken while the policy conflates
    /// them, by their event times.
    private static let conflateNanoseconds: Int64 = 1_000_000_000

    let policies: Policies
    private(set) var causes: Causes = []
    /// The same while a group is far behind.
    private var backlogNanoseconds: Int64 = 0
    /// Per symbol: the event time of the last quote that was taken while quotes were conflated; the
    /// smallest time before the first.
    private var quoteTaken: [Timestamp]

    /// `symbols` is the number of symbols; `addSymbol` adds more.
    init(_ policies: Policies, symbols: Int) {
        self.policies = policies
        quoteTaken = [Timestamp](repeating: Timestamp(nanoseconds: .min), count: symbols)
    }

    var isPressed: Bool { !causes.isEmpty }

    /// The shortest time between two quotes of a symbol that are taken while quotes are conflated.
    var quoteInterval: Int64 {
        let isByPolicy = causes.letPoliciesAct && policies.quotes == .conflate
        return isByPolicy || !causes.contains(.backlog)
            ? Self.conflateNanoseconds : backlogNanoseconds
    }

    /// Sets how far quotes are conflated because of a group that is far behind; 0: not at all.
    /// Returns what `set` does.
    mutating func conflate(every nanoseconds: Int64) -> Causes? {
        backlogNanoseconds = nanoseconds
        return set(.backlog, nanoseconds > 0)
    }

    /// Sets a cause (`isThere`) or clears it. Returns the causes after the change, or `nil` when
    /// nothing has changed.
    mutating func set(_ cause: Causes, _ isThere: Bool) -> Causes? {
        guard causes.contains(cause) != isThere else { return nil }
        if isThere { causes.insert(cause) } else { causes.remove(cause) }
        return causes
    }

    /// Returns what happens to a tick that is due, by its policy alone. Allocates nothing.
    ///
    /// `time` is the tick's event time. A quote of a backfill (`isBackfilled`) is not conflated:
    /// its time does not show which quote is the latest. Where only the ceiling presses, ticks
    /// within it (not `isOver`) are taken; but conflated quotes are conflated all the time, so that
    /// the last one of a symbol stays the last.
    mutating func action(
        kind: DataKind, symbol: Int, time: Timestamp, isBackfilled: Bool = false,
        isOver: Bool = true
    ) -> Action {
        guard isPressed else { return .take }
        let isWithin = causes.subtracting(.backlog) == .ceiling && !isOver
        let policy = effectivePolicy(kind, isWithin: isWithin)
        let isConflated = policy == .conflate && kind == .quote
        if isWithin, !isConflated { return .take }
        switch policy {
        case .block: return .take
        case .drop: return .leaveOut
        case .error: return .end
        case .conflate:
            // A symbol without an entry has come just now: `place(of:)` adds it after this
            // decision.
            guard kind == .quote, symbol < quoteTaken.count else { return .leaveOut }
            guard !isBackfilled else { return .take }
            let last = quoteTaken[symbol]
            // Times may jump back, as after a switch of the provider. Such a quote is taken:
            // otherwise all quotes would be held until their times have reached `last` again.
            guard time < last || time.nanoseconds(since: last) >= quoteInterval else {
                return .hold
            }
            quoteTaken[symbol] = time
            return .take
        }
    }

    /// Notes that a held quote was taken, so that the quotes of its symbol in the next second are
    /// held again.
    mutating func tookHeldQuote(symbol: Int, time: Timestamp) {
        guard symbol < quoteTaken.count else { return }
        quoteTaken[symbol] = max(quoteTaken[symbol], time)
    }

    /// Returns whether the provider waits when a tick of this kind finds no room. If not, the tick
    /// is left out or held, or the service ends.
    func providerWaits(kind: DataKind) -> Bool { policy(kind) == .block }

    /// Returns whether the tick is held when it finds no room: a live quote whose policy is
    /// `conflate`.
    func holds(kind: DataKind, symbol: Int, isBackfilled: Bool) -> Bool {
        kind == .quote && effectivePolicy(kind) == .conflate && !isBackfilled
            && symbol < quoteTaken.count
    }

    /// Returns what is done with a kind now. A group that is far behind has quotes conflated,
    /// unless a policy that acts demands more. Ticks within the ceiling (`isWithin`) fall under no
    /// policy but that.
    private func effectivePolicy(
        _ kind: DataKind, isWithin: Bool = false
    ) -> BackpressurePolicy {
        let policy = causes.letPoliciesAct ? policy(kind) : .block
        let isFree = policy == .block || isWithin
        return kind == .quote && isFree && causes.contains(.backlog) ? .conflate : policy
    }

    /// Returns the policy of a kind. There are two policies, for trades and for quotes. Data that
    /// providers send again and again follow the policy of quotes. Of these, rows of books and
    /// computations of options cannot be conflated, so `conflate` leaves them out. All other data
    /// are sent once, as trades are, and follow the policy of trades.
    private func policy(_ kind: DataKind) -> BackpressurePolicy {
        switch kind {
        case .quote, .depth, .optionComputation: policies.quotes
        case .any, .trade, .providerBar, .news, .fundamental, .indicator: policies.trades
        }
    }

    /// Adds the next symbol number of the source's list.
    mutating func addSymbol() { quoteTaken.append(Timestamp(nanoseconds: .min)) }
}
