import MarketModel
import Primitives

/// The address of a record on the tape, as `tapeline tail` and the column `tick_id` show it:
/// `ibkr/3/1042`, its source, partition and ordinal.
struct TickAddress: Equatable, Sendable, CustomStringConvertible {
    let source: SourceName
    let partition: Partition
    let ordinal: UInt64

    var description: String { "\(source)/\(partition)/\(ordinal)" }
}

extension TickAddress {
    init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 3, let source = SourceName(String(parts[0])),
            let partition = Int(parts[1]), partition >= 0,
            partition < Partition.countRange.upperBound,
            let ordinal = UInt64(parts[2]), ordinal > 0, ordinal <= UInt64(Int64.max)
        else { return nil }
        self.init(source: source, partition: Partition(partition), ordinal: ordinal)
    }
}
