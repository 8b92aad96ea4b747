import MarketModel
import TapeProtocol

/// `tapeline partition of` and `tapeline partition rebuild`.
enum PartitionCommand: Equatable, Sendable {
    case of(PartitionOf)
    case rebuild(PartitionRebuild)

    static func parse(_ arguments: [String]) throws(ToolError) -> PartitionCommand {
        switch arguments.first {
        case "of": return .of(try PartitionOf.parse(Array(arguments.dropFirst())))
        case "rebuild":
            return .rebuild(try PartitionRebuild.parse(Array(arguments.dropFirst())))
        default: throw .usage("'tapeline partition' wants 'of SYMBOL' or 'rebuild PARTITION...'")
        }
    }
}
