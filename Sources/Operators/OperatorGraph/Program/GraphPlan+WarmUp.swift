internal import StreamCore

extension GraphPlan {
    /// Whether the result of some stage depends on earlier ticks.
    var remembers: Bool {
        !(deduplicates.isEmpty && throttles.isEmpty && customs.isEmpty && joins.isEmpty)
    }

    /// Returns how long before its first window a repair has to read ticks, in nanoseconds, so that
    /// stages have the right state. A stage after another needs the ticks that the other let
    /// through, so their times add up. A join needs the quotes that came through their own stages,
    /// and the nodes behind a book need its last reset.
    func warmUp(_ operators: [any TickOperator]) -> Int64 {
        let ofQuotes = warmUps(quotes, operators, ofJoins: [:])
        var ofJoins: [Int: Int64] = [:]
        for one in quotes.joins {
            ofJoins[one.join] = ofQuotes.needed[one.input.trailingZeroBitCount]
        }
        let ofBooks =
            books.isEmpty
            ? 0 : Self.sum(BookRule.knownFor, warmUps(depth, operators, ofJoins: [:]).most)
        return max(
            ofQuotes.most, warmUps(trades, operators, ofJoins: ofJoins).most,
            warmUps(providerBars, operators, ofJoins: [:]).most, ofBooks)
    }

    /// Returns the time that is needed at each point of a plan, with an extra place for outputs
    /// from which no node takes ticks, and the longest one. `ofJoins` are those of joins' quotes.
    private func warmUps(
        _ plan: TickPlan, _ operators: [any TickOperator], ofJoins: [Int: Int64]
    ) -> (needed: [Int64], most: Int64) {
        var needed = [Int64](repeating: 0, count: UInt64.bitWidth + 1)
        var most: Int64 = 0
        for stage in plan.stages {
            let own = warmUp(stage, operators)
            let before = needed[stage.input.trailingZeroBitCount]
            var need = Self.sum(own, before)
            if stage.kind == .join {
                need = max(before, Self.sum(own, ofJoins[stage.index] ?? 0))
            }
            most = max(most, need)
            needed[stage.output.trailingZeroBitCount] = need
            for place in stage.index..<stage.index + stage.branchCount {
                needed[branches[place].output.trailingZeroBitCount] = need
            }
        }
        return (needed, most)
    }

    private static func sum(_ left: Int64, _ right: Int64) -> Int64 {
        let (sum, overflow) = left.addingReportingOverflow(right)
        return overflow ? Int64.max : sum
    }

    private func warmUp(_ stage: StagePlan, _ operators: [any TickOperator]) -> Int64 {
        switch stage.kind {
        case .deduplicate: max(deduplicates[stage.index].timeToLive, 0)
        case .throttle: max(throttles[stage.index].per, 0)
        case .custom: min(max(operators[stage.index].warmUp, 0), OperatorLimits.warmUpMax)
        case .join: max(joins[stage.index].maxAge, 0)
        case .filter, .route: 0
        }
    }
}
