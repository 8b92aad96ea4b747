extension BreadthMeasure {
    /// The last part of its values' names, after the node's name.
    public var name: String {
        switch self {
        case .advanceDecline: "advance_decline"
        case .advanceDeclineRatio: "advance_decline_ratio"
        case .newHighs(let days): "new_highs_\(days)"
        case .newLows(let days): "new_lows_\(days)"
        case .aboveAverage(let days): "above_average_\(days)"
        }
    }
}
