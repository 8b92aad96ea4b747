internal import MarketModel
internal import Primitives
internal import StreamCore

/// The machines at the ends of a graph. All know the same sources and symbols by the same indexes,
/// because all are told of them in the same order.
struct BarLeaves: Sendable {
    let plans: [LeafPlan]
    let resamplePlans: [ResamplePlan]
    var time: [BarMachine] = []
    var number: [NumberMachine] = []
    var inactivity: [InactivityMachine] = []
    /// Those that make bars of the others' bars.
    var resamples: [ResampleMachine] = []

    /// No machines yet.
    private init(empty plan: GraphPlan) {
        plans = plan.leaves
        resamplePlans = plan.resamples
    }

    init(_ plan: GraphPlan) {
        self.init(empty: plan)
        for plan in plans {
            switch plan.maker {
            case .time: time.append(BarMachine(rule: plan.rule, calendar: plan.calendar))
            case .number: number.append(NumberMachine(rule: plan.rule, calendar: plan.calendar))
            case .inactivity:
                inactivity.append(InactivityMachine(rule: plan.rule, calendar: plan.calendar))
            }
        }
        resamples = resamplePlans.map { ResampleMachine(rule: $0.rule, from: $0.fine) }
        tellKinds()
        tellEmptyWindows()
    }

    private mutating func tellKinds() {
        for slot in resamples.indices { resamples[slot].kind = kind(ofResample: slot) }
    }

    /// Of what its bars are made in the end.
    func kind(ofResample slot: Int) -> DataKind {
        switch resamplePlans[slot].origin {
        case .leaf(let leaf): plans[leaf].kind
        case .resample(let origin): kind(ofResample: origin)
        }
    }

    /// All machines learn what is missing.
    mutating func know(_ missing: MissingStretches) {
        for slot in time.indices { time[slot].missing = missing }
        for slot in number.indices { number[slot].missing = missing }
        for slot in inactivity.indices { inactivity[slot].missing = missing }
        for slot in resamples.indices { resamples[slot].missing = missing }
    }

    /// Windows without a price are told where bars are made of them: what they left out counts.
    private mutating func tellEmptyWindows() {
        for resample in resamplePlans {
            if case .leaf(let leaf) = resample.origin, plans[leaf].maker == .time {
                time[plans[leaf].slot].tellsEmptyWindows = true
            }
        }
    }

    // MARK: checkpoint

    func encode(_ leaf: Int, into bytes: inout [UInt8]) {
        let slot = plans[leaf].slot
        switch plans[leaf].maker {
        case .time: time[slot].encode(into: &bytes)
        case .number: number[slot].encode(into: &bytes)
        case .inactivity: inactivity[slot].encode(into: &bytes)
        }
    }

    /// By leaf, and then by resampling node, where its state stands in `bytes`.
    init(
        _ plan: GraphPlan, restoring bytes: RawSpan, _ pieces: ArraySlice<Range<Int>>
    ) throws(CheckpointError) {
        self.init(empty: plan)
        for (plan, piece) in zip(plans, pieces) {
            let state = bytes.extracting(piece)
            let (rule, calendar) = (plan.rule, plan.calendar)
            switch plan.maker {
            case .time:
                time.append(try BarMachine(rule: rule, calendar: calendar, restoring: state))
            case .number:
                number.append(try NumberMachine(rule: rule, calendar: calendar, restoring: state))
            case .inactivity:
                inactivity.append(
                    try InactivityMachine(rule: rule, calendar: calendar, restoring: state))
            }
        }
        for (plan, piece) in zip(resamplePlans, pieces.dropFirst(plans.count)) {
            resamples.append(
                try ResampleMachine(
                    rule: plan.rule, from: plan.fine, restoring: bytes.extracting(piece)))
        }
        tellKinds()
        tellEmptyWindows()
        guard areAlike else { throw .malformed(.symbol, offset: 0) }
    }

    /// Pieces of one checkpoint that were made by different graphs would not be.
    private var areAlike: Bool {
        plans.indices.allSatisfy { leaf in
            let (sources, symbols) = (sources(of: leaf), symbols(of: leaf))
            return sources.entries.map(\.name) == self.sources.entries.map(\.name)
                && symbols.isLike(self.symbols)
        }
            && resamples.allSatisfy {
                $0.sources.entries.map(\.name) == sources.entries.map(\.name)
                    && $0.symbols.isLike(symbols)
            }
    }

    // MARK: tables

    /// Those of the first machine stand for all.
    var sources: SourceTable { sources(of: 0) }
    var symbols: SymbolTable { symbols(of: 0) }

    private func sources(of leaf: Int) -> SourceTable {
        let slot = plans[leaf].slot
        return switch plans[leaf].maker {
        case .time: time[slot].sources
        case .number: number[slot].sources
        case .inactivity: inactivity[slot].sources
        }
    }

    func symbols(of leaf: Int) -> SymbolTable {
        let slot = plans[leaf].slot
        return switch plans[leaf].maker {
        case .time: time[slot].symbols
        case .number: number[slot].symbols
        case .inactivity: inactivity[slot].symbols
        }
    }

    func counters(of leaf: Int) -> BarCounters {
        let slot = plans[leaf].slot
        return switch plans[leaf].maker {
        case .time: time[slot].counters
        case .number: number[slot].counters
        case .inactivity: inactivity[slot].counters
        }
    }

    /// As `counters`, but for ticks in open windows of time: nothing is walked over.
    func account(of leaf: Int) -> BarCounters {
        let slot = plans[leaf].slot
        return switch plans[leaf].maker {
        case .time: time[slot].settledCounters
        case .number: number[slot].counters
        case .inactivity: inactivity[slot].counters
        }
    }

    var openWindows: Int {
        time.reduce(0) { $0 + $1.openWindows } + number.reduce(0) { $0 + $1.openWindows }
            + inactivity.reduce(0) { $0 + $1.openWindows }
            + resamples.reduce(0) { $0 + $1.openWindows }
    }

    mutating func tapeStarts(at moment: Timestamp) {
        for slot in time.indices { time[slot].tapeStarts(at: moment) }
        for slot in number.indices { number[slot].tapeStarts(at: moment) }
        for slot in inactivity.indices { inactivity[slot].tapeStarts(at: moment) }
        for slot in resamples.indices { resamples[slot].tapeStarts(at: moment) }
    }

    mutating func source(_ name: SourceName, firstSeen: Timestamp) -> Int? {
        var index: Int?
        for slot in time.indices { index = time[slot].source(name, firstSeen: firstSeen) }
        for slot in number.indices { index = number[slot].source(name, firstSeen: firstSeen) }
        for slot in inactivity.indices {
            index = inactivity[slot].source(name, firstSeen: firstSeen)
        }
        for slot in resamples.indices { _ = resamples[slot].source(name, firstSeen: firstSeen) }
        return index
    }

    mutating func symbol(_ subscription: Subscription, source: Int) -> UInt32? {
        var index: UInt32?
        for slot in time.indices { index = time[slot].symbol(subscription, source: source) }
        for slot in number.indices { index = number[slot].symbol(subscription, source: source) }
        for slot in inactivity.indices {
            index = inactivity[slot].symbol(subscription, source: source)
        }
        for slot in resamples.indices { _ = resamples[slot].symbol(subscription, source: source) }
        return index
    }
}
