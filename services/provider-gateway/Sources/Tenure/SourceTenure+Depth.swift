import MarketModel
import Primitives
import ServiceRuntime
import TapeCodec
import TapeTransport

/// Depth updates: rows, which edit a symbol's book, and resets, which empty it. `DepthBooks` has
/// the terms and decides. No policy leaves out a reset: the book owes it then, and the reset goes
/// onto the tape before the book's next row, as soon as there is room.
extension SourceTenure {
    /// Takes a row or a reset. Returns false when the provider has to wait for room. Then the
    /// record is still due. It is also still due after room was made for it in the spool; then true
    /// is returned.
    func takeDepth(_ record: TapeRecord, _ symbol: Int, _ now: Timestamp) -> Bool {
        let place = place(of: symbol)
        guard let header = record.header, symbol < outflow.lanes.places.count else {
            refuseUnknown(symbol)
            return true
        }
        let isAhead = inflow.refuses(header)
        if case .depthReset = record {
            bookRestarted(symbol, at: isAhead ? now : header.eventTime)
            // This reset has a wrong time and is not appended. `writeReset` writes the owed one,
            // with the gateway's time.
            guard !isAhead else { return true }
        } else if isAhead {
            markBookVoid(symbol, until: now)
            keepAsDeadLetter(record, symbol, now)
            return true
        } else {
            switch inflow.depth.next(symbol) {
            case .take: break
            case .resetFirst:
                guard writeReset(symbol) else {
                    inflow.ticks.putBack()
                    return makeRoom(lane: place.lane)
                }
            case .leaveOut:
                leaveOutRow(symbol, header.eventTime)
                return true
            }
        }
        switch append(record, place) {
        case .appended:
            noteDepth(record, symbol)
        case .full:
            inflow.ticks.putBack()
            return makeRoom(lane: place.lane)
        case .refused: markBookVoid(symbol, until: header.eventTime)
        }
        return true
    }

    /// Notes that a policy left out a row or a reset of this event time. The caller has a gap
    /// record cover the row. The reset is owed.
    func leftOutDepth(_ symbol: Int, isReset: Bool, _ time: Timestamp) {
        guard isReset else { return markBookVoid(symbol, until: after(time)) }
        bookRestarted(symbol, at: time)
    }

    /// Leaves out a row of a void book, and notes it for a gap record.
    private func leaveOutRow(_ symbol: Int, _ time: Timestamp) {
        parts.metrics.leftOut(.depth).add()
        ledgers.gaps.leftOut(
            symbol: symbol, kind: .depth, time: time, now: clock.monotonic())
        markBookVoid(symbol, until: after(time))
    }

    /// Returns the exclusive end of a gap whose last tick has this time.
    private func after(_ time: Timestamp) -> Timestamp {
        time.isDefined ? time.advanced(byNanoseconds: 1) : time
    }

    /// Notes that the book on the tape differs from the provider's from now on: it is void, or
    /// stays so. Gap records cover the missing rows until `time`.
    func markBookVoid(_ symbol: Int, until time: Timestamp) {
        if inflow.depth.markVoid(symbol, until: time) { parts.metrics.booksVoided.add() }
    }

    /// Notes the provider's reset of a book. If the book was void, a last gap record covers the
    /// time until the reset. That gap holds no watermark back, as watermarks have passed its
    /// beginning already.
    private func bookRestarted(_ symbol: Int, at time: Timestamp) {
        let recordedUntil = inflow.depth.restarted(symbol)
        inflow.depth.oweReset(symbol)
        guard let recordedUntil else { return }
        ledgers.gaps.missed(
            PendingGaps.Gap(
                symbol: symbol, kind: .depth, from: recordedUntil, to: time, reason: .dropped),
            limitsWatermark: false)
    }

    /// Marks all books of a lane as void, because the lane lost packets that may contain their
    /// rows.
    func markBooksVoid(inLane lane: Int, until time: Timestamp) {
        for (symbol, place) in outflow.lanes.places.enumerated()
        where place.lane == lane && inflow.depth.isKnown(symbol) {
            markBookVoid(symbol, until: time)
        }
    }

    /// Writes the owed resets, as far as there is room. The others stay owed.
    func writeResets() { for symbol in inflow.depth.owingReset { _ = writeReset(symbol) } }

    /// Writes an owed reset. Returns false when there is no room for it now.
    private func writeReset(_ symbol: Int) -> Bool {
        let place = place(of: symbol)
        guard ensureRoom(lane: place.lane) else { return false }
        let header = TickHeader(
            symbol: place.symbol, providerTime: .undefined, receiveTime: inflow.time.now())
        // The provider has not halted the book, but `halted` tells readers that it has to be
        // requested again.
        let reset = DepthReset(header: header, reason: .halted)
        guard outflow.publisher.append(.depthReset(reset), lane: place.lane) == .appended else {
            return false
        }
        noteDepth(.depthReset(reset), symbol)
        return true
    }

    // MARK: books that are repeated

    /// Notes a row or a reset that was appended.
    private func noteDepth(_ record: TapeRecord, _ symbol: Int) {
        if case .depth(let row) = record { return inflow.repeats.take(row, symbol) }
        inflow.depth.wroteReset(symbol)
        inflow.repeats.reset(symbol)
    }

    /// Follows a record that may be the end of a book: a gap of its rows that begins, or the end
    /// of its subscription.
    func followBookEnd(_ record: TapeRecord, _ symbol: Int) {
        let kind: UInt8
        if case .gap(let gap) = record, gap.state == GapState.open.rawValue {
            kind = gap.kind
        } else if case .subscription(let subscription) = record,
            subscription.action == SubscriptionAction.stop.rawValue
        {
            kind = subscription.kind
        } else {
            return
        }
        guard kind == DataKind.depth.rawValue || kind == DataKind.any.rawValue else { return }
        inflow.repeats.lose(symbol)
    }

    /// Repeats the books whose turn it is. A book that finds too little room in its packet waits
    /// for the next one. While policies act, no book is repeated. Between two changes that came
    /// together none is repeated, either: a provider may send one change of a book in parts.
    func repeatBooks() {
        guard !inflow.repeats.isEmpty else { return }
        inflow.repeats.advance(to: clock.monotonic())
        guard !inflow.repeats.due.isEmpty, !inflow.ticks.hasNext else { return }
        for symbol in inflow.repeats.due where isRepeated(symbol) { inflow.repeats.done(symbol) }
    }

    /// Repeats a book, unless it is not known or may not be repeated now. Returns false when there
    /// is no room for it now.
    private func isRepeated(_ symbol: Int) -> Bool {
        guard inflow.depth.isWhole(symbol), !inflow.backpressure.isPressed else { return true }
        let place = place(of: symbol)
        let records = inflow.repeats.records(
            symbol,
            TickHeader(
                symbol: place.symbol, providerTime: .undefined, receiveTime: inflow.time.now()))
        guard !records.isEmpty else { return true }
        guard outflow.publisher.hasRoom(forBook: records.count, lane: place.lane) else {
            return false
        }
        for record in records {
            let outcome = outflow.publisher.append(record, lane: place.lane)
            precondition(outcome == .appended, "a packet with room refused a row of a book")
        }
        return true
    }

    /// Requests void books from the provider, when that is due and no policy would leave out their
    /// rows.
    func askForBooks(now: MonotonicTime) {
        parts.metrics.booksVoid.set(Double(inflow.depth.voidCount))
        guard
            !inflow.backpressure.causes.letPoliciesAct
                || inflow.backpressure.providerWaits(kind: .depth)
        else { return }
        let symbols = inflow.depth.takeDueRequests(now: now)
        guard let first = symbols.first, let name = inflow.ticks.symbol(first) else { return }
        let asked = symbols.count { inflow.ticks.restart($0, .depth) }
        parts.context.telemetry.emit(
            .booksVoid(
                source: parts.settings.source, symbol: name, count: symbols.count, asked: asked))
    }
}

extension ServiceEvent {
    /// Reports that rows of books were left out, so that these books are void until they begin
    /// again. `symbol` is that of the first book, `count` the number of books. The provider was
    /// asked to send `asked` of them again. It cannot send the others again.
    static func booksVoid(source: SourceName, symbol: Symbol, count: Int, asked: Int) -> Self {
        let books = "rows of \(count) books were left out (the first is \(symbol)'s): "
        return Self(
            .warning, "gateway.books_void",
            asked == count
                ? books + "they were requested again, and are void until the provider resets them"
                : books + "\(count - asked) of them cannot be requested again, and stay void until "
                    + "the provider resets them by itself",
            ("source", .text(source.text)), ("books", .integer(Int64(count))),
            ("asked", .integer(Int64(asked))))
    }
}
