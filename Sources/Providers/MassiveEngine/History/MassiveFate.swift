internal import MarketModel

/// What has become of a trade, by the indicator in the service's past. Massive lists the numbers;
/// their meaning is that of the daily files of the tapes.
package enum MassiveFate: Sendable {
    /// It was cancelled, or was an error.
    case cancelled
    /// It was corrected: the row has the new price and size.
    case corrected

    /// `nil`: the trade stands.
    init?(_ indicator: UInt64) {
        if indicator == 1 {
            self = .corrected
        } else if indicator == 7 || indicator == 8 {
            self = .cancelled
        } else {
            return nil
        }
    }

    /// Whether a row is no trade, but the report of a cancel, of an error, or of the values that
    /// were corrected. It says nothing new of the other row.
    static func isOfAnother(_ indicator: UInt64) -> Bool { (10...12).contains(indicator) }

    var action: TradeAction {
        switch self {
        case .cancelled: .cancel
        case .corrected: .correction
        }
    }
}
