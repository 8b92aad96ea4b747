import MarketModel
import Primitives
import TapeProtocol

/// `tapeline partition of SYMBOL`: prints the partition's number for scripts. It needs no server.
struct PartitionOf: Equatable, Sendable {
    let symbol: Symbol
    /// `nil` means the default number of partitions of a namespace.
    let partitions: Int?
    let asJSON: Bool

    init(_ given: CommandArguments) throws(ToolError) {
        symbol = try given.symbol(given.words[0])
        partitions = try given.integer("--partitions", in: Partition.countRange)
        asJSON = given.asJSON
    }

    /// The answer on one line.
    var answer: String {
        let count = partitions ?? TapeNames.defaultPartitions
        let partition = Partition(of: symbol, count: count)
        guard asJSON else { return "\(partition)" }
        return JSONWriter.made { writer in
            writer.member("symbol", symbol.text)
            writer.member("partition", partition.number)
            writer.member("partitions", count)
            writer.member("default_partitions", partitions == nil)
            writer.member("hash", Murmur3.hash32(symbol.text))
        }.text
    }
}
