internal import MarketModel
internal import Primitives
internal import StreamCore
internal import TapeCodec

// How the ticks of a packet get into the machines.
extension GraphMachine {
    // MARK: trades into one machine

    /// Takes a packet for a graph without stages and with one leaf, for trades
    /// (`GraphProgram.isPlain`). This way is the fastest.
    mutating func takePlainTicks(
        _ header: PacketHeader, _ packet: RawSpan, source: Int, into output: inout GraphOutput
    ) {
        packetSymbols.removeAll()
        var walk = takeTrades(
            TradeWalk(firstOrdinal: header.firstOrdinal, source: source), packet, source: source)
        // A new definition changes the tables, so the machine takes it outside of the loop.
        while let message = walk.definition {
            define(message, packet, source: source)
            walk = takeTrades(walk, packet, source: source)
        }
        if walk.hasMarks { markPacket(packet, source: source, into: &output) }
    }

    /// Takes trades up to the next definition that is not known, or the end of the packet.
    private mutating func takeTrades(
        _ walk: consuming TradeWalk, _ packet: RawSpan, source: Int
    ) -> TradeWalk {
        swap(&walk.symbols, &packetSymbols)
        swap(&walk.definitions, &definitions)
        var end = leaves.time[0].trades(source: source, leaves.tables, in: packet, from: walk)
        swap(&end.symbols, &packetSymbols)
        swap(&end.definitions, &definitions)
        return end
    }

    /// Returns whether a definition repeats the last one of its symbol and source. Then only the
    /// meaning of the packet's index changes, which this sets.
    private mutating func knows(
        _ message: MessageBounds, _ packet: RawSpan, source: Int
    ) -> Bool {
        guard let known = definitions.symbol(of: message, in: packet, source: source) else {
            return false
        }
        packetSymbols.set(packet.uint32(at: message.body), known)
        return true
    }

    /// Takes a definition of the packet. Other messages without an ordinal are ignored.
    mutating func define(_ message: MessageBounds, _ packet: RawSpan, source: Int) {
        if knows(message, packet, source: source) { return }
        guard let (index, definition) = message.symbolDefinition(in: packet),
            index < PacketLimits.definitionsMax
        else { return }
        let subscription = Subscription(
            symbol: definition.symbol, provider: definition.provider, since: definition.since,
            lot: definition.lot)
        guard let change = leaves.define(subscription, source: source) else {
            return packetSymbols.set(index, BarMachine.noSymbol)
        }
        definitions.note(message, in: packet, source: source, symbol: change.index)
        packetSymbols.set(index, change.index)
        if change.isNew { stages.define(change.index, symbols.pair(at: change.index)) }
        if program.plan.remembersFeeds { noteFeed(change, since: subscription.since) }
    }

    /// Notes for joins and books that another member feeds a symbol, or that its subscription began
    /// again.
    private mutating func noteFeed(_ change: PartitionTables.Change, since: Timestamp) {
        let source = symbols.source(of: change.index)
        if change.isMoved { stages.forgetOthers(of: change.index, fedBy: source) }
        let limit = StreamLimits.eventTimeNanosecondsMax.magnitude
        guard since.nanoseconds.magnitude <= limit, change.isNew || change.restart != nil else {
            return
        }
        let reached = sources.entries[source].watermark.nanoseconds
        let (kept, isBelow) = reached.subtractingReportingOverflow(program.plan.startsKept)
        if !isBelow { leaves.tables.missing.forgetStarts(change.index, before: kept) }
        leaves.tables.missing.start(change.index, at: since.nanoseconds)
        stages.books.lose(change.index, before: since.nanoseconds)
    }

    // MARK: ticks through stages into several machines

    /// Takes a packet for any other graph. Trades are collected in a run, which has to be taken
    /// before anything else that depends on the order.
    mutating func takeTicks(
        _ header: PacketHeader, _ packet: RawSpan, source: Int, into output: inout GraphOutput
    ) {
        packetSymbols.removeAll()
        let (trades, quotes) = (program.plan.trades, program.plan.quotes)
        // The points at which the ticks of the tape come in.
        let roots = (trades.bit(of: .ticks(.trade)), quotes.bit(of: .ticks(.quote)))
        let takesOthers = !program.plan.books.isEmpty || !program.plan.passedOn.indicators.isEmpty
        var (hasMarks, hasDays) = (false, false)
        var run = TradeRun.none
        swap(&run, &emptyRun)
        var ordinal = header.firstOrdinal
        var cursor = RecordCursor()
        while let record = cursor.next(in: packet) {
            switch record {
            case .trade(var trade):
                trade.header.symbol = packetSymbols[trade.header.symbol]
                hasMarks = hasMarks || trade.header.action != 0
                if trades.isUsed {
                    run.append(trade, ordinal, isJudged: isJudged(trade.header, source))
                    if run.isFull { take(&run, source, trades, root: roots.0, &output) }
                }
                ordinal &+= 1
            case .quote(var quote):
                if quotes.isUsed {
                    take(&run, source, trades, root: roots.0, &output)
                    quote.header.symbol = packetSymbols[quote.header.symbol]
                    take(quote, source, ordinal, quotes, root: roots.1, &output)
                }
                ordinal &+= 1
            case .bar: ordinal &+= 1
            case .other(let message):
                guard WireFormat.Template.isTick(message.template) else {
                    endChange(&output)
                    if knows(message, packet, source: source) { continue }
                    take(&run, source, trades, root: roots.0, &output)
                    define(message, packet, source: source)
                    continue
                }
                hasMarks = hasMarks || DirtyMarks.isRecord(message)
                if message.template == WireFormat.Template.providerBar {
                    hasDays = true
                    take(&run, source, trades, root: roots.0, &output)
                    takeProviderBar(message, packet, source, ordinal, &output)
                } else if takesOthers {
                    takeOther(message, packet, source, ordinal, &output)
                }
                ordinal &+= 1
            case .malformed: hasMarks = false
            }
        }
        take(&run, source, trades, root: roots.0, &output)
        endChange(&output)
        swap(&run, &emptyRun)
        if hasMarks { markPacket(packet, source: source, into: &output) }
        if hasDays, !histories.isEmpty { takeDays(in: packet, source: source) }
    }

    /// Sends the run through the stages, gives its trades to the leaves, and empties it.
    private mutating func take(
        _ run: inout TradeRun, _ source: Int, _ plan: TickPlan, root: UInt64,
        _ output: inout GraphOutput
    ) {
        guard !run.isEmpty else { return }
        stages.run(plan.stages, &run, source: source, root: root, into: &output)
        if takesFetched { run.removeFlag(.backfilled) }
        for leaf in plan.leaves { leaves.trades(leaf, run, source: source) }
        run.removeAll()
    }

    /// Sends a quote through the stages and gives it to the leaves that it reaches.
    @inline(__always)
    private mutating func take(
        _ quote: Quote, _ source: Int, _ ordinal: UInt64, _ plan: TickPlan, root: UInt64,
        _ output: inout GraphOutput
    ) {
        let tick = QuoteInStages(quote: quote, source: source, ordinal: ordinal)
        var quote = quote
        if takesFetched { quote.header.flags.remove(.backfilled) }
        // A quote that stages do not judge reaches every leaf.
        let way =
            isJudged(quote.header, source)
            ? stages.run(plan, tick, root: root, into: &output)
            : TickStages.Way(passed: UInt64.max)
        for leaf in plan.leaves {
            if way.passed & leaf.input != 0 {
                leaves.quote(leaf, quote, source: source, ordinal: ordinal)
            } else if way.lost & leaf.input == 0 {
                leaves.exclude(leaf.leaf, quote.header, source: source)
            }
        }
    }

    /// Returns whether stages judge the tick: it is a new tick of the source that feeds its symbol.
    /// The machines themselves exclude all others.
    @inline(__always)
    func isJudged(_ header: TickHeader, _ source: Int) -> Bool {
        header.isForStages(inRepair: takesFetched)
            && leaves.tables.symbols.isFed(header.symbol, by: source)
    }
}
