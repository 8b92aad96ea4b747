import MarketModel
import Primitives
import ServiceRuntime

/// `tapeline trade cancel|correct|restore`: changes one trade, which its address on the tape names.
struct TradeCommand: ToolCommand {
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

    static let page = CommandPage(
        "trade", .correction, "cancel, correct or restore one trade", also: [.yes, .json],
        """
        trade cancel|correct|restore SOURCE/PARTITION/ORDINAL --note TEXT
            have one trade count no more, with another price or size, or again as it came. 'tapeline
            tail' and the column tick_id show addresses. Shows the trade and its bars first; who,
            why and when are kept (view trade_changes)
        --price P, --size S
            correct: one not given stays
        --note TEXT
            why, on the tape and in the database
        --wait, --timeout N
            until the change and its new versions are stored (without a database: are on the
            tape), so many seconds at most: 0 done, 1 refused with the reason, 75 not yet
        --dry-run
            show the trade and its bars
        $ tapeline trade cancel ibkr/3/1042 --note "busted by NASDAQ" --wait
        $ tapeline trade correct ibkr/3/1042 --price 231.25 --note "typed wrong"
        $ tapeline trade restore ibkr/3/1042 --note "it was the other one"
        """)

    static func read(_ given: CommandArguments) throws(ToolError) -> TradeCommand {
        guard let address = TickAddress(given.words[0]) else {
            throw .usage(
                "'\(given.words[0].prefix(60))' is no address: 'tapeline tail' and the column "
                    + "tick_id show them as SOURCE/PARTITION/ORDINAL")
        }
        guard let action = words[given.verb] else { throw given.notTaken(given.verb) }
        let (price, size) = (try price(given), try size(given))
        if action == .correct, price == nil, size == nil {
            throw .usage("a correction wants --price, --size or both")
        }
        guard let note = try given.note("--note", bytesMax: TradeChange.noteBytesMax) else {
            throw .usage("'tapeline trade' wants --note TEXT: it says why, on the tape")
        }
        return TradeCommand(
            target: try TapeTarget(given), action: action, address: address, price: price,
            size: size, note: note, isDryRun: given.isDryRun,
            waitSeconds: try given.waitSeconds(default: RepairCommand.timeoutDefault),
            isConfirmed: given.isConfirmed, asJSON: given.asJSON)
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        try TradeRun(command: self, terminal: tool.terminal)
            .run(tool.deployment(target), shutdown: tool.signals())
    }

    private static func price(_ given: CommandArguments) throws(ToolError) -> Price? {
        guard let text = try given.one("--price") else { return nil }
        do throws(FixedPoint.ParseError) {
            return try Price(text)
        } catch {
            throw .usage(
                "--price wants a number with at most \(Price.decimals) decimals, not "
                    + "'\(text.prefix(40))'")
        }
    }

    private static func size(_ given: CommandArguments) throws(ToolError) -> Quantity? {
        guard let text = try given.one("--size") else { return nil }
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
