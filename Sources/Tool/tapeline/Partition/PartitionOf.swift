import MarketModel
import Primitives
import TapeProtocol

/// `tapeline partition of SYMBOL`: prints the partition's number for scripts. It needs no server.
struct PartitionOf: Equatable, Sendable {
    let symbol: Symbol
    /// `nil` means the default number of partitions of a namespace.
    let partitions: Int?
    let asJSON: Bool

    static func parse(_ arguments: [String]) throws(ToolError) -> PartitionOf {
        let arguments = try CommandArguments(
            "partition of", arguments, .init(values: ["--partitions"], flags: ["--json"]))
        try arguments.requireWords(1, "one symbol (in quotes when it holds blanks)")
        guard let symbol = Symbol(arguments.words[0]) else {
            throw .usage(
                "'\(arguments.words[0].prefix(40))' is no symbol: 1 to \(Symbol.utf8CountMax) "
                    + "bytes without control characters")
        }
        return PartitionOf(
            symbol: symbol,
            partitions: try arguments.integer("--partitions", in: Partition.countRange),
            asJSON: arguments.has("--json"))
    }

    /// The answer on one line.
    var answer: String {
        let count = partitions ?? TapeNames.defaultPartitions
        let partition = Partition(of: symbol, count: count)
        guard asJSON else { return "\(partition)" }
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("symbol", symbol.text)
            writer.member("partition", partition.number)
            writer.member("partitions", count)
            writer.member("default_partitions", partitions == nil)
            writer.member("hash", Murmur3.hash32(symbol.text))
        }
        return writer.text
    }
}
