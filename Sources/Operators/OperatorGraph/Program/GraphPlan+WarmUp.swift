internal import StreamCore

extension GraphPlan {
    /// Whether the result of some stage depends on earlier ticks.
    var remembers: Bool { !(deduplicates.isEmpty && throttles.isEmpty && customs.isEmpty) }

    /// Returns how long before its first window a repair has to read ticks, in nanoseconds, so that
    /// stages have the right state. A stage after another needs the ticks that the other let
    /// through, so their times add up.
    func warmUp(_ operators: [any TickOperator]) -> Int64 {
        [trades, quotes, providerBars].map { warmUp($0, operators) }.max() ?? 0
    }

    private func warmUp(_ plan: TickPlan, _ operators: [any TickOperator]) -> Int64 {
        // By point of the plan, with an extra place for outputs from which no node takes ticks.
        var needed = [Int64](repeating: 0, count: UInt64.bitWidth + 1)
        var most: Int64 = 0
        for stage in plan.stages {
            let own = warmUp(stage, operators)
            let (sum, overflow) = own.addingReportingOverflow(
                needed[stage.input.trailingZeroBitCount])
            let need = overflow ? Int64.max : sum
            most = max(most, need)
            needed[stage.output.trailingZeroBitCount] = need
            for place in stage.index..<stage.index + stage.branchCount {
                needed[branches[place].output.trailingZeroBitCount] = need
            }
        }
        return most
    }

    private func warmUp(_ stage: StagePlan, _ operators: [any TickOperator]) -> Int64 {
        switch stage.kind {
        case .deduplicate: max(deduplicates[stage.index].timeToLive, 0)
        case .throttle: max(throttles[stage.index].per, 0)
        case .custom: min(max(operators[stage.index].warmUp, 0), OperatorLimits.warmUpMax)
        case .filter, .route: 0
        }
    }
}
