internal import MarketModel
internal import Primitives
internal import StreamCore
internal import TapeCodec

/// What a repair knows of books, beside their rows.
struct RepairBooks: Sendable {
    /// Whether windows of books are computed.
    let areTaken: Bool
    /// The symbols whose books are followed; `nil` for all.
    let symbols: Set<UInt32>?
    /// The change of a book that the present packet is in the middle of.
    var open = OpenChange()

    init(_ graph: GraphPlan, _ plan: RepairPlan) {
        let ranges = plan.machineRanges.byLeaf
        areTaken = zip(graph.leaves, ranges).contains { $0.kind == .depth && !$1.isEmpty }
        symbols = graph.mixesSymbols ? nil : Set(plan.symbols)
    }
}

// Books in a repair. They are followed in the order of the tape, as at first. What is known by now
// to be missing was perhaps not known then: a book of which changes since its last reset are
// missing has no numbers, also before the record of that gap.
//
// No provider fetches changes of books later, so a repair makes no book again that was not known.
extension GraphRepair {
    /// Takes a row or a reset of a book. In the first pass, in which `pass` is `nil`, what follows
    /// is kept for the second one. A `source` of `nil` is `manual`, which has no books.
    mutating func takeDepth(
        _ message: MessageBounds, _ packet: RawSpan, _ ordinal: UInt64, _ source: Int?,
        _ pass: Pass?
    ) {
        guard let source else { return }
        if var update = message.depthUpdate(in: packet) {
            own(&update.header, source)
            guard isOfBook(update.header, source, pass) else { return }
            if let ended = books.open.row(update, source, ordinal) {
                follow(.book(ended), source, pass)
            }
            follow(.row(update), source, pass)
        } else if var reset = message.depthReset(in: packet) {
            own(&reset.header, source)
            guard isOfBook(reset.header, source, pass) else { return }
            endChange(source, pass)
            follow(.reset(reset), source, pass)
        }
    }

    /// Ends a change of a book, if the packet is in the middle of one: no row of it follows.
    mutating func endChange(_ source: Int?, _ pass: Pass?) {
        if let ended = books.open.end() { follow(.book(ended), source, pass) }
    }

    private func isOfBook(_ header: TickHeader, _ source: Int, _ pass: Pass?) -> Bool {
        let isFed =
            pass == nil
            ? stages.isFed(header.symbol, by: source)
            : symbols.isFed(header.symbol, by: source)
        return isFed && !header.flags.contains(.backfilled)
    }

    private mutating func follow(_ step: KeptTicks.Step, _ source: Int?, _ pass: Pass?) {
        guard isFollowed(step) else { return }
        guard let pass else { return kept.keep(step, 0, source: source) }
        takeDepth(step, pass)
    }

    /// Rows of other symbols end a change, and decide nothing else.
    private func isFollowed(_ step: KeptTicks.Step) -> Bool {
        guard let symbols = books.symbols else { return true }
        return step.header.map { symbols.contains($0.symbol) } ?? false
    }

    /// Takes the next step of the second pass that concerns a book.
    mutating func takeDepth(_ step: KeptTicks.Step, _ pass: Pass) {
        guard let source = pass.source, let header = step.header,
            symbols.isFed(header.symbol, by: source)
        else { return }
        switch step {
        case .row(let update): stages.take(update, from: source)
        case .reset(let reset): stages.take(reset, from: source)
        case .book(let change): take(change)
        case .trade, .quote, .providerBar, .move: break
        }
    }

    /// Gives what is known of a book behind a change to the leaves that it reaches.
    private mutating func take(_ change: BookChange) {
        let isVoid = misses(change.header)
        let plan = program.plan
        for book in plan.books {
            let (tick, way) = stages.way(of: book, change, isVoid: isVoid)
            for leaf in plan.depth.leaves
            where leaf.input & book.reach != 0 && holds(leaf.leaf, change.header) {
                if way.passed & leaf.input != 0 {
                    leaves.book(leaf, tick, source: change.source, ordinal: change.ordinal)
                    taken &+= 1
                } else if way.lost & leaf.input == 0 {
                    leaves.exclude(leaf.leaf, change.header, source: change.source)
                }
                // Its bar may have been published with these numbers.
                if isVoid { leaves.noteChange(leaf.leaf, of: change.header) }
            }
        }
    }

    /// Returns whether changes of the book since its last reset are missing.
    private func misses(_ header: TickHeader) -> Bool {
        guard let since = stages.bookSince(header.symbol) else { return false }
        let last = max(since, header.eventTime.nanoseconds)
        let (end, overflow) = last.addingReportingOverflow(1)
        return !overflow
            && leaves.tables.missing.touches(header.symbol, .depth, from: since, to: end)
    }
}
