internal import MarketModel
internal import Primitives
internal import StreamCore

/// The machines of a graph that make bars, and the tables of the partition, which all of them use.
/// A *leaf* is a machine that makes bars of ticks. It is named by the index of its plan, and its
/// *slot* is its index among the machines of its type. A *resampling* machine makes bars of bars:
/// those of another machine, or a provider's.
struct BarLeaves: Sendable {
    let plans: [LeafPlan]
    let resamplePlans: [ResamplePlan]
    /// The leaves by type, for windows by time, by number of ticks, and by inactivity.
    var time: [BarMachine] = []
    var number: [NumberMachine] = []
    var inactivity: [InactivityMachine] = []
    /// The resampling machines, in the order of their plans. A machine comes after its origin.
    var resamples: [ResampleMachine] = []
    var tables: PartitionTables

    /// Makes a value without any machines, for the other initialisers to fill.
    private init(empty plan: GraphPlan) {
        plans = plan.leaves
        resamplePlans = plan.resamples
        tables = PartitionTables(plan.groups)
        tables.missing.holdsProviderBars = plan.providerBars.isUsed
        tables.missing.holdsDepth = !plan.books.isEmpty
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
        setNeeds()
        setEmptyWindows()
    }

    private mutating func setNeeds() {
        for slot in resamples.indices { resamples[slot].needs = needs(ofResample: slot) }
    }

    /// Returns the ticks that decide a resampling machine's bars in the end.
    func needs(ofResample slot: Int) -> TickNeeds {
        switch resamplePlans[slot].origin {
        case .leaf(let leaf): plans[leaf].needs
        case .resample(let origin): needs(ofResample: origin)
        case .provider: TickNeeds(.providerBar)
        }
    }

    /// Returns the ticks that decide a published series; `nil` for other numbers.
    func needs(ofSeries series: UInt16) -> TickNeeds? {
        if let plan = plans.first(where: { $0.series.contains(series) }) { return plan.needs }
        return resamplePlans.firstIndex { $0.series.contains(series) }.map(needs(ofResample:))
    }

    /// Lets leaves also give out windows without a price when coarser bars are made of their bars:
    /// the coarser bars include the excluded ticks of these windows.
    private mutating func setEmptyWindows() {
        for resample in resamplePlans {
            if case .leaf(let leaf) = resample.origin, plans[leaf].maker == .time {
                time[plans[leaf].slot].publishesEmptyWindows = true
            }
        }
    }

    // MARK: checkpoint

    /// Appends the state of a leaf.
    func encode(_ leaf: Int, into bytes: inout [UInt8]) {
        let slot = plans[leaf].slot
        switch plans[leaf].maker {
        case .time: time[slot].encode(tables, into: &bytes)
        case .number: number[slot].encode(tables, into: &bytes)
        case .inactivity: inactivity[slot].encode(tables, into: &bytes)
        }
    }

    /// Restores the machines and tables. `pieces` are the ranges of their states in `bytes`: the
    /// tables, each leaf, and then each resampling machine.
    init(
        _ plan: GraphPlan, restoring bytes: RawSpan, _ pieces: ArraySlice<Range<Int>>
    ) throws(CheckpointError) {
        self.init(empty: plan)
        var pieces = pieces
        tables = try PartitionTables(
            plan.groups, restoring: bytes.extracting(pieces.removeFirst()))
        for (plan, piece) in zip(plans, pieces) {
            let state = bytes.extracting(piece)
            let (rule, calendar) = (plan.rule, plan.calendar)
            switch plan.maker {
            case .time:
                time.append(
                    try BarMachine(rule: rule, calendar: calendar, restoring: state, tables))
            case .number:
                number.append(
                    try NumberMachine(rule: rule, calendar: calendar, restoring: state, tables))
            case .inactivity:
                inactivity.append(
                    try InactivityMachine(rule: rule, calendar: calendar, restoring: state, tables))
            }
        }
        for (plan, piece) in zip(resamplePlans, pieces.dropFirst(plans.count)) {
            resamples.append(
                try ResampleMachine(
                    rule: plan.rule, from: plan.fine, restoring: bytes.extracting(piece), tables))
        }
        setNeeds()
        setEmptyWindows()
    }

    // MARK: counters

    /// Returns the counts of a leaf. It walks over the open windows.
    func counters(of leaf: Int) -> BarCounters {
        let slot = plans[leaf].slot
        return switch plans[leaf].maker {
        case .time: time[slot].counters
        case .number: number[slot].counters
        case .inactivity: inactivity[slot].counters
        }
    }

    /// Returns the same as `counters`, but without ticks in open windows by time, so that it need
    /// not walk over windows.
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

    // MARK: definitions

    /// Returns the index of a packet's source, and adds the source if it is new; `nil` when there
    /// are too many.
    mutating func source(_ name: SourceName) -> Int? {
        let known = tables.sources.entries.count
        let index = tables.source(name)
        guard tables.sources.entries.count > known else { return index }
        for slot in time.indices { time[slot].addSource() }
        for slot in number.indices { number[slot].addSource() }
        for slot in inactivity.indices { inactivity[slot].addSource() }
        for slot in resamples.indices { resamples[slot].addSource() }
        return index
    }

    /// Notes which source feeds a symbol, and reports the change to all machines. Returns the
    /// change; `nil` when the table of symbols is full.
    mutating func define(
        _ subscription: Subscription, source: Int
    ) -> PartitionTables.Change? {
        guard let change = tables.define(subscription, source: source) else { return nil }
        for slot in time.indices { time[slot].apply(change, tables) }
        for slot in number.indices { number[slot].apply(change, tables) }
        for slot in inactivity.indices { inactivity[slot].apply(change, tables) }
        for slot in resamples.indices { resamples[slot].apply(change, tables) }
        return change
    }
}
