package import StreamCore

// The state of all nodes as bytes: a head that names the program, and one piece each for the
// tables, every leaf and resampling machine, the missing ticks, every stage with a state, the
// books, every history, and the values of providers.
extension GraphMachine {
    /// Returns the number of pieces.
    private static func pieces(of plan: GraphPlan) -> Int {
        1 + plan.leaves.count + plan.resamples.count + 1 + plan.deduplicates.count
            + plan.throttles.count + plan.joins.count + (plan.books.isEmpty ? 0 : 1)
            + plan.customs.count + plan.passedOn.days.count
            + (plan.passedOn.indicators.isEmpty ? 0 : 1)
    }

    /// Appends everything that decides the machine's later results. A state larger than
    /// `CheckpointLimits.bytesMax` is refused where it is stored.
    package func encode(into bytes: inout [UInt8]) {
        StateDirectory.begin(
            program: program.hash, received: received, pieces: Self.pieces(of: program.plan),
            into: &bytes)
        leaves.tables.encode(into: &bytes)
        for leaf in leaves.plans.indices { leaves.encode(leaf, into: &bytes) }
        for resample in leaves.resamples { resample.encode(into: &bytes) }
        leaves.tables.missing.encode(into: &bytes)
        for deduplicator in stages.deduplicators { deduplicator.encode(into: &bytes) }
        for throttle in stages.throttles { throttle.encode(into: &bytes) }
        for join in stages.joins { join.encode(into: &bytes) }
        if !program.plan.books.isEmpty { stages.books.encode(into: &bytes) }
        for custom in stages.operators {
            StateDirectory.wrap(into: &bytes) { custom.encode(into: &$0) }
        }
        for history in histories { history.encode(into: &bytes) }
        if !program.plan.passedOn.indicators.isEmpty { indicators.encode(into: &bytes) }
    }

    /// Restores the machine whose `encode` wrote these bytes, for the same program.
    package init(_ program: GraphProgram, restoring bytes: RawSpan) throws(CheckpointError) {
        let plan = program.plan
        let (received, pieces) = try StateDirectory.pieces(
            of: bytes, program: program.hash, count: Self.pieces(of: plan))
        var rest = pieces[...]
        let machines = 1 + plan.leaves.count + plan.resamples.count
        var leaves = try BarLeaves(plan, restoring: bytes, rest.prefix(machines))
        rest = rest.dropFirst(machines)
        leaves.tables.missing = try MissingStretches(
            restoring: bytes.extracting(rest.removeFirst()), symbols: leaves.tables.symbols.count,
            holdsProviderBars: plan.providerBars.isUsed, holdsDepth: !plan.books.isEmpty)
        var stages = TickStages(program)
        for (index, rule) in plan.deduplicates.enumerated() {
            let piece = rest.removeFirst()
            stages.deduplicators[index] = try Deduplicator(
                rule, restoring: bytes.extracting(piece))
        }
        for (index, rule) in plan.throttles.enumerated() {
            let piece = rest.removeFirst()
            stages.throttles[index] = try Throttle(rule, restoring: bytes.extracting(piece))
        }
        for (index, rule) in plan.joins.enumerated() {
            let piece = rest.removeFirst()
            stages.joins[index] = try QuoteJoin(rule, restoring: bytes.extracting(piece))
        }
        if !plan.books.isEmpty {
            let piece = bytes.extracting(rest.removeFirst())
            stages.books = try DepthBooks(
                restoring: piece, symbols: leaves.tables.symbols.count)
        }
        for index in plan.customs.indices {
            let piece = bytes.extracting(rest.removeFirst())
            let state = try StateDirectory.unwrap(piece)
            try stages.operators[index].restore(piece.extracting(state))
        }
        var histories: [DailyHistory] = []
        for history in plan.passedOn.days {
            let piece = rest.removeFirst()
            histories.append(
                try DailyHistory(
                    rule: history.rule, calendar: history.calendar,
                    restoring: bytes.extracting(piece)))
        }
        var indicators = ReceivedValues(plan.passedOn.indicators.map(\.indicator))
        if !plan.passedOn.indicators.isEmpty {
            indicators = try ReceivedValues(
                plan.passedOn.indicators.map(\.indicator),
                restoring: bytes.extracting(rest.removeFirst()),
                symbols: leaves.tables.symbols.count)
        }
        self.init(program, leaves, stages, histories, indicators)
        self.received = received
    }
}
