import MarketModel
import Primitives

/// `tapeline trade cancel|correct|restore`: changes one trade, which its address on the tape names.
struct TradeCommand: Equatable, Sendable {
    static let words: [String: TradeChangeAction] = [
        "cancel": .cancel, "correct": .correct, "restore": .restore,
    ]

    let target: TapeTarget
    let action: TradeChangeAction
    let address: TickAddress
    /// The new values of a correction. `nil` keeps the present one.
    let price: Price?
    let size: Quantity?
    let note: String
    let isDryRun: Bool
    /// How long to wait for the new versions of the bars. `nil` means not to wait.
    let waitSeconds: Int?
    let isConfirmed: Bool
    let asJSON: Bool

    static func parse(_ arguments: [String]) throws(ToolError) -> TradeCommand {
        let arguments = try CommandArguments(
            "trade", arguments,
            .init(
                values: TapeTarget.options.union(["--price", "--size", "--note", "--timeout"]),
                flags: ["--dry-run", "--json", "--wait", "--yes"]))
        try arguments.requireWords(2, "cancel, correct or restore, and the address of a trade")
        guard let action = words[arguments.words[0]] else {
            throw .usage(
                "'tapeline trade' can cancel, correct and restore, not "
                    + "'\(arguments.words[0].prefix(40))'")
        }
        guard let address = TickAddress(arguments.words[1]) else {
            throw .usage(
                "'\(arguments.words[1].prefix(60))' is no address: 'tapeline tail' and the column "
                    + "tick_id show them as SOURCE/PARTITION/ORDINAL")
        }
        let (price, size) = (try price(arguments), try size(arguments))
        if action == .correct, price == nil, size == nil {
            throw .usage("a correction wants --price, --size or both")
        }
        guard action == .correct || price == nil && size == nil else {
            throw .usage("--price and --size belong to 'correct'")
        }
        guard let note = try arguments.one("--note") else {
            throw .usage("'tapeline trade' wants --note TEXT: it says why, on the tape")
        }
        guard note.utf8.count <= TradeChange.noteBytesMax else {
            throw .usage("--note has more than \(TradeChange.noteBytesMax) bytes")
        }
        let seconds = try arguments.integer("--timeout", in: RepairCommand.timeoutRange)
        return TradeCommand(
            target: try TapeTarget(arguments), action: action, address: address, price: price,
            size: size, note: note, isDryRun: arguments.has("--dry-run"),
            waitSeconds: arguments.has("--wait")
                ? seconds ?? RepairCommand.timeoutDefault : nil,
            isConfirmed: arguments.has("--yes"), asJSON: arguments.has("--json"))
    }

    private static func price(_ arguments: CommandArguments) throws(ToolError) -> Price? {
        guard let text = try arguments.one("--price") else { return nil }
        do throws(FixedPoint.ParseError) {
            return try Price(text)
        } catch {
            throw .usage(
                "--price wants a number with at most \(Price.decimals) decimals, not "
                    + "'\(text.prefix(40))'")
        }
    }

    private static func size(_ arguments: CommandArguments) throws(ToolError) -> Quantity? {
        guard let text = try arguments.one("--size") else { return nil }
        let wrong = ToolError.usage(
            "--size wants a number from 0 with at most \(Quantity.decimals) decimals, not "
                + "'\(text.prefix(40))'")
        do throws(FixedPoint.ParseError) {
            let size = try Quantity(text)
            guard size.raw >= 0 else { throw .outOfRange }
            return size
        } catch {
            throw wrong
        }
    }
}
