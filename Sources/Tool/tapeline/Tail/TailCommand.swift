import MarketModel
import Primitives
import TapeCodec
import TapeListing
import TapeProtocol

/// `tapeline tail`: prints what is on the tape, from a given position on.
struct TailCommand: Equatable, Sendable {
    typealias Format = TailPrinter.Format

    var target = TapeTarget()
    var symbols: [Symbol] = []
    var partitions: [Partition] = []
    /// Empty means all ticks.
    var kinds: Set<TickKind> = []
    /// `nil` means all sources. For bars it may be a group of sources.
    var source: SourceName?
    var wantsBars = false
    /// True to read only what is derived over all partitions.
    var wantsUniverse = false
    var wantsControl = false
    /// `nil` means the end when following, otherwise the beginning.
    var from: TailPlace?
    var until: TailPlace?
    var limit: Int?
    var follows = true
    /// True to read the live fan-out instead of the tape.
    var isLive = false
    var format = Format.table

    private static let taken = CommandArguments.Taken(
        values: TapeTarget.options.union([
            "--symbol", "--partition", "--kind", "--source", "--from", "--until", "--limit",
        ]),
        flags: ["--bars", "--control", "--follow", "--json", "--csv", "--live"])

    /// Options without meaning beside `--live`, which starts now and selects by symbol and source.
    private static let notLive = ["--partition", "--from", "--until"]
    private static let liveAll: Set<TickKind> = [
        .record(.trade), .record(.quote), .record(.providerBar), .record(.bar),
    ]

    static func parse(_ arguments: [String], now: Timestamp) throws(ToolError) -> TailCommand {
        let arguments = try CommandArguments("tail", arguments, taken)
        var command = TailCommand(target: try TapeTarget(arguments))
        command.symbols = try arguments.symbols()
        for text in arguments.all("--symbol") {
            guard let symbol = Symbol(text) else {
                throw .usage("'\(text.prefix(40))' is no symbol")
            }
            command.symbols.append(symbol)
        }
        let range = 0...(Partition.countRange.upperBound - 1)
        for text in arguments.all("--partition") {
            if text == "all" || text == SourceName.universe.text {
                command.wantsUniverse = true
                continue
            }
            command.partitions.append(
                Partition(try CommandArguments.integer(text, "--partition", in: range)))
        }
        for text in arguments.all("--kind") { command.kinds.insert(try kind(text)) }
        command.source = try arguments.source()
        if command.source == .universe { command.wantsUniverse = true }
        command.wantsBars = arguments.has("--bars")
        if command.wantsBars, let kind = command.kinds.first(where: { !$0.isDerived }) {
            throw .usage("--bars is what is derived, and --kind \(kind.name) is not: give one")
        }
        command.wantsControl =
            arguments.has("--control") || command.kinds.contains { $0.isControl }
        try command.readPlaces(arguments, now: now)
        guard !arguments.has("--json") || !arguments.has("--csv") else {
            throw .usage("--json or --csv, not both")
        }
        if arguments.has("--json") { command.format = .json }
        if arguments.has("--csv") { command.format = .csv }
        if arguments.has("--live") { try command.readLive(arguments) }
        return command
    }

    private mutating func readLive(_ arguments: CommandArguments) throws(ToolError) {
        isLive = true
        for option in Self.notLive where !arguments.all(option).isEmpty {
            throw .usage(
                "--live tells from now on, by symbol and source: \(option) means nothing there")
        }
        guard !arguments.has("--control"),
            kinds.isSubset(of: Self.liveAll.union([.record(.indicator)]))
        else {
            throw .usage(
                "--live tells trades, quotes, provider bars, bars and, when asked for, indicators")
        }
    }

    /// The kinds to read live. If none is asked for, all but indicators.
    var liveKinds: Set<TickKind> {
        let asked = wantsBars ? kinds.union([.record(.bar)]) : kinds
        return asked.isEmpty ? Self.liveAll : asked
    }

    private mutating func readPlaces(
        _ arguments: CommandArguments, now: Timestamp
    ) throws(ToolError) {
        if let text = try arguments.one("--from") {
            from = try TailPlace.parse(text, "--from", now: now)
        }
        if let text = try arguments.one("--until") {
            until = try TailPlace.parse(text, "--until", now: now)
            if until == .beginning { throw .usage("nothing stands before the beginning") }
        }
        if case .time(let first) = from, case .time(let end) = until, first >= end {
            throw .usage("--until is not after --from: nothing can be in that time")
        }
        limit = try arguments.integer("--limit", in: 1...Int.max)
        follows = arguments.has("--follow") || (until == nil && limit == nil)
    }

    private static func kind(_ text: String) throws(ToolError) -> TickKind {
        guard let kind = TickKind(name: text) else {
            let all = TickKind.all.map(\.name).joined(separator: ", ")
            throw .usage("'\(text.prefix(40))' is no kind (\(all))")
        }
        return kind
    }

    // MARK: what to read

    /// The messages of a packet that are printed.
    var selection: ListedSelection {
        var selection = ListedSelection()
        selection.symbols = Set(symbols)
        selection.kinds = kinds
        selection.source = source
        selection.wantsControl = wantsControl
        return selection
    }

    /// One stream and the subjects to read from it.
    struct Selection: Equatable, Sendable {
        let stream: String
        let filters: [String]
    }

    /// Returns the streams that have to be read. Ticks and bars are both read only if kinds of both
    /// are asked for.
    func selections(_ names: TapeNames) throws(ToolError) -> [Selection] {
        if wantsUniverse {
            guard symbols.isEmpty, partitions.isEmpty, source == nil || source == .universe else {
                throw .usage(
                    "what is derived over all partitions is of no symbol, no partition and no "
                        + "other source: ask for it alone")
            }
            return [Selection(stream: names.barStream, filters: [names.universeValues])]
        }
        let wanted = try wantedPartitions(names)
        let derived = kinds.contains { $0.isDerived }
        let plain = kinds.contains { !$0.isDerived && !$0.isControl }
        var selections: [Selection] = []
        if plain || !(wantsBars || derived) {
            selections += (0..<TapeNames.tickStreams).compactMap { index in
                tickSelection(names, index, wanted)
            }
        }
        if wantsBars || derived { selections.append(barSelection(names, wanted)) }
        if case .sequence = from, selections.count > 1 { throw Self.oneStream("--from") }
        if case .sequence = until, selections.count > 1 { throw Self.oneStream("--until") }
        return selections
    }

    private static func oneStream(_ option: String) -> ToolError {
        .usage(
            "\(option) seq:NUMBER counts in one stream: choose one by --symbol, --partition or "
                + "--bars")
    }

    /// `nil` means all partitions.
    private func wantedPartitions(_ names: TapeNames) throws(ToolError) -> Set<Partition>? {
        guard !symbols.isEmpty || !partitions.isEmpty else { return nil }
        for partition in partitions where partition.number >= names.partitions {
            throw .usage(
                "partition \(partition) is not there: there are \(names.partitions), from 0 on")
        }
        let ofSymbols = Set(symbols.map { names.partition(of: $0) })
        if partitions.isEmpty { return ofSymbols }
        if symbols.isEmpty { return Set(partitions) }
        let both = ofSymbols.intersection(partitions)
        guard !both.isEmpty else { throw .usage("none of the symbols is in these partitions") }
        return both
    }

    private func tickSelection(
        _ names: TapeNames, _ index: Int, _ wanted: Set<Partition>?
    ) -> Selection? {
        var filters: [String] = []
        if let wanted {
            let own = wanted.filter { names.streamIndex(of: $0) == index }.sorted()
            guard !own.isEmpty else { return nil }
            filters = own.flatMap { partition in
                tickSources.map { $0.map { names.ticks(partition, $0) } }
                    ?? [names.ticks(partition)]
            }
        } else {
            guard index < names.partitions else { return nil }
            filters = tickSources.map { $0.map { names.ticks($0) } } ?? [names.allTicks]
        }
        if wantsControl {
            filters.append(
                source.map { names.watermarks(stream: index, $0) }
                    ?? names.watermarks(stream: index))
        }
        return Selection(stream: names.tickStream(index), filters: filters)
    }

    /// The sources whose packets can hold what is asked for: a person's records concern all
    /// sources, or name theirs. `nil` means all.
    private var tickSources: [SourceName]? {
        source.map { $0 == .manual ? [$0] : [$0, .manual] }
    }

    private func barSelection(_ names: TapeNames, _ wanted: Set<Partition>?) -> Selection {
        var filters = wanted.map { $0.sorted().map { names.bars($0) } } ?? [names.allBars]
        let hasValues = kinds.isEmpty || kinds.contains(.record(.indicator))
        if wanted == nil, hasValues { filters.append(names.universeValues) }
        return Selection(stream: names.barStream, filters: filters)
    }
}
