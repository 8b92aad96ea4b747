import MarketModel
import Primitives
import ServiceRuntime
import TapeCodec
import TapeListing
import TapeProtocol

/// `tapeline tail`: prints what is on the tape, from a given position on.
struct TailCommand: ToolCommand {
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

    static let page = CommandPage(
        "tail", .data, "what is on the tape, from now on or from a time", also: [.zone],
        """
        tail [SYMBOL...]
            what is on the tape: from now on, or from a time or sequence
        --partition P
            only this partition; may be repeated. 'all' is what is derived over all
            partitions
        --kind K
            only this kind (trade, quote, bar, ...); may be repeated
        --source NAME
            only this source: its ticks, and the bars, late ticks and values made of them;
            --live, too
        --bars
            what is derived (bars, late ticks, values) instead of ticks
        --control
            also the packets without ticks (markers, watermarks)
        --from PLACE
            beginning, now, today, yesterday, 14:30, 2026-11-20, 2026-11-20T14:30:00Z, -10m,
            or seq:N in one stream. Times are those at which the tape stored a packet; a day
            begins at midnight UTC. Without it, tail begins now if it follows, else at the
            start
        --to PLACE
            the end, likewise
        --limit N
            so many ticks
        --follow
            wait for more; tail does so without --to and --limit
        --live
            trades, quotes and bars as the services publish them, bars of open windows among
            them; best effort
        --json, --csv
            one object per tick; with a header (RFC 4180)
        $ tapeline tail BRK.B --from -10m
        $ tapeline tail --bars --json --from beginning --to now > bars.ndjson
        $ tapeline tail AAPL --live --bars --source ibkr
        """)

    /// Options without meaning beside `--live`, which starts now and selects by symbol and source.
    private static let notLive = ["--partition", "--from", "--to"]
    private static let liveAll: Set<TickKind> = [
        .record(.trade), .record(.quote), .record(.providerBar), .record(.bar),
    ]

    static func read(_ given: CommandArguments) throws(ToolError) -> TailCommand {
        var command = TailCommand(target: try TapeTarget(given))
        command.symbols = try given.symbols()
        for text in given.all("--partition") {
            if text == "all" || text == SourceName.universe.text {
                command.wantsUniverse = true
            } else {
                command.partitions.append(try given.partition(text))
            }
        }
        for text in given.all("--kind") { command.kinds.insert(try kind(text)) }
        command.source = try given.source()
        if command.source == .universe { command.wantsUniverse = true }
        command.wantsBars = given.has("--bars")
        if command.wantsBars, let kind = command.kinds.first(where: { !$0.isDerived }) {
            throw .usage("--bars is what is derived, and --kind \(kind.name) is not: give one")
        }
        command.wantsControl =
            given.has("--control") || command.kinds.contains { $0.isControl }
        try command.readPlaces(given)
        guard !given.has("--json") || !given.has("--csv") else {
            throw .usage("--json or --csv, not both")
        }
        if given.has("--json") { command.format = .json }
        if given.has("--csv") { command.format = .csv }
        if given.has("--live") { try command.readLive(given) }
        return command
    }

    func run(_ tool: Tool) throws(ToolError) -> ExitCode {
        let deployment = try tool.deployment(target)
        if isLive {
            return try LiveTail(self, tool.terminal).run(deployment, shutdown: tool.signals())
        }
        return try TailRun(self, tool.terminal).run(deployment, shutdown: tool.signals())
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

    private mutating func readPlaces(_ given: CommandArguments) throws(ToolError) {
        from = try given.place("--from")
        until = try given.place("--to")
        if until == .beginning { throw .usage("nothing stands before the beginning") }
        if case .time(let first) = from, case .time(let end) = until, first >= end {
            throw .usage("--from has to come before --to")
        }
        limit = try given.integer("--limit", in: 1...Int.max)
        follows = given.has("--follow") || (until == nil && limit == nil)
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
        if case .sequence = until, selections.count > 1 { throw Self.oneStream("--to") }
        return selections
    }

    private static func oneStream(_ option: String) -> ToolError {
        .usage(
            "\(option) seq:NUMBER counts in one stream: choose one by a symbol, --partition or "
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
