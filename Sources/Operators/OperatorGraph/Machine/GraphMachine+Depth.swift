internal import MarketModel
package import StreamCore
internal import TapeCodec

// How changes of books get through the stages into the machines.
extension GraphMachine {
    /// Takes a row or a reset of a book, or a provider's value, if the graph takes such.
    @inline(__always)
    mutating func takeOther(
        _ message: MessageBounds, _ packet: RawSpan, _ source: Int, _ ordinal: UInt64,
        _ output: inout GraphOutput
    ) {
        if message.isOfBook {
            guard !program.plan.books.isEmpty else { return }
            takeDepth(message, packet, source, ordinal, &output)
        } else if !program.plan.passedOn.indicators.isEmpty,
            let value = message.indicatorValue(in: packet)
        {
            takeIndicator(value, source, into: &output)
        }
    }

    /// Takes a row or a reset of a book, if the packet's source feeds the symbol.
    private mutating func takeDepth(
        _ message: MessageBounds, _ packet: RawSpan, _ source: Int, _ ordinal: UInt64,
        _ output: inout GraphOutput
    ) {
        if var update = message.depthUpdate(in: packet) {
            update.header.symbol = packetSymbols[update.header.symbol]
            guard isOfBook(update.header, source) else { return }
            if let ended = openChange.row(update, source, ordinal) { take(ended, &output) }
            stages.books.take(update, from: source)
        } else if var reset = message.depthReset(in: packet) {
            reset.header.symbol = packetSymbols[reset.header.symbol]
            guard isOfBook(reset.header, source) else { return }
            endChange(&output)
            stages.books.take(reset, from: source)
        }
    }

    /// Ends a change of a book, if the packet is in the middle of one: no row of it follows.
    @inline(__always)
    mutating func endChange(_ output: inout GraphOutput) {
        if let ended = openChange.end() { take(ended, &output) }
    }

    /// No provider delivers rows later. One that says so decides nothing.
    @inline(__always)
    private func isOfBook(_ header: TickHeader, _ source: Int) -> Bool {
        symbols.isFed(header.symbol, by: source) && !header.flags.contains(.backfilled)
    }

    /// Gives what is known of a book behind a change to the leaves that it reaches.
    private mutating func take(_ change: BookChange, _ output: inout GraphOutput) {
        let plan = program.plan.depth
        for book in program.plan.books {
            let (tick, way) = stages.run(book, plan, change, isVoid: false, into: &output)
            for leaf in plan.leaves where leaf.input & book.reach != 0 {
                if way.passed & leaf.input != 0 {
                    leaves.book(leaf, tick, source: change.source, ordinal: change.ordinal)
                } else if way.lost & leaf.input == 0 {
                    leaves.exclude(leaf.leaf, tick.header, source: change.source)
                }
            }
        }
    }

    /// Notes that changes of a book are missing.
    mutating func noteBook(_ change: MissingChange) {
        guard !change.isFilled, change.kind == .depth || change.kind == .any else { return }
        stages.books.lose(change.symbol, before: change.to)
    }

    /// The changes of books that nodes saw. Counted since this machine was made or restored.
    package var bookChanges: BookCounters { stages.books.counters }
}

extension TickStages {
    /// Returns what a node knows of a book behind a change, and how far it comes. `isVoid` says
    /// that the book is not known, whatever its rows are.
    @inline(__always)
    mutating func run(
        _ book: BookPlan, _ plan: TickPlan, _ change: BookChange, isVoid: Bool,
        into output: inout GraphOutput
    ) -> (tick: BookTick, way: Way) {
        let header = change.header
        let tick = isVoid ? BookTick(header) : books.tick(header, levels: book.levels)
        // A change that stages do not judge reaches every leaf, which excludes it.
        guard header.isForStages(inRepair: true) else { return (tick, Way(passed: UInt64.max)) }
        let inStages = BookInStages(
            tick: tick, source: change.source, ordinal: change.ordinal)
        return (tick, run(plan.stages, inStages, root: book.output, into: &output))
    }
}

extension BarLeaves {
    /// Adds a book to a leaf, as a quote.
    mutating func book(_ leaf: LeafInput, _ book: BookTick, source: Int, ordinal: UInt64) {
        let field = plans[leaf.leaf].field
        quote(leaf, book.quote(for: field), source: source, ordinal: ordinal)
    }
}

extension MessageBounds {
    /// Whether the message is a row or a reset of a book.
    var isOfBook: Bool {
        template == WireFormat.Template.depthUpdate || template == WireFormat.Template.depthReset
    }
}
