import MarketModel
import Primitives
import ServiceRuntime
import TapeCodec
import TapeTransport

/// Rows of books. A reset is never left out: where it finds no room, one is put on the tape first
/// thing when there is some.
extension SourceTenure {
    /// A row, or what empties a book. False: it has to wait for the next packet.
    func takeOfBook(_ record: TapeRecord, _ symbol: Int, _ now: Timestamp) -> Bool {
        let place = place(of: symbol)
        guard let header = record.header, symbol < lanes.places.count else {
            refuseUnknown(symbol)
            return true
        }
        let isAhead = !isRecorded && time.refuses(header)
        if case .depthReset = record {
            emptied(symbol, at: isAhead ? now : header.eventTime)
            // With a time of ours in place of its own.
            guard !isAhead else { return true }
        } else if isAhead {
            lost(symbol, to: now)
            return refuse(record, symbol, now)
        } else {
            switch books.next(symbol) {
            case .take: break
            case .resetFirst:
                guard writeReset(symbol) else {
                    supply.putBack()
                    return makeRoom(lane: place.lane)
                }
            case .leaveOut:
                leaveOutRow(symbol, header.eventTime)
                return true
            }
        }
        switch append(record, place) {
        case .appended:
            if case .depthReset = record { books.wroteReset(symbol) }
        case .full:
            supply.putBack()
            return makeRoom(lane: place.lane)
        case .refused: lost(symbol, to: header.eventTime)
        }
        return true
    }

    /// A policy leaves out a row, which is on record, or a reset, which is then owed.
    func leftOutOfBook(_ symbol: Int, isReset: Bool, _ time: Timestamp) {
        if isReset { emptied(symbol, at: time) } else { lost(symbol, to: behind(time)) }
    }

    private func leaveOutRow(_ symbol: Int, _ time: Timestamp) {
        parts.metrics.leftOut(.depth).add()
        gaps.leftOut(
            symbol: symbol, kind: .depth, time: time, now: clock.monotonic().nanoseconds)
        lost(symbol, to: behind(time))
    }

    private func behind(_ time: Timestamp) -> Timestamp {
        time.isDefined ? time.advanced(byNanoseconds: 1) : time
    }

    /// The book on the tape is not the provider's any more.
    func lost(_ symbol: Int, to time: Timestamp) {
        if books.lost(symbol, to: time) { parts.metrics.booksVoided.add() }
    }

    /// The provider's book begins anew: its void ends here.
    private func emptied(_ symbol: Int, at time: Timestamp) {
        let toldTo = books.emptied(symbol)
        books.owe(symbol)
        guard let toldTo else { return }
        gaps.missed(
            GapBook.Gap(symbol: symbol, kind: .depth, from: toldTo, to: time, reason: .dropped),
            holds: false)
    }

    /// Others of the lane's packets are gone.
    func lostBooks(inLane lane: Int, to time: Timestamp) {
        for (symbol, place) in lanes.places.enumerated()
        where place.lane == lane && books.isKnown(symbol) {
            lost(symbol, to: time)
        }
    }

    func writeResets() { for symbol in books.owing { _ = writeReset(symbol) } }

    /// False: there is no room for it now.
    private func writeReset(_ symbol: Int) -> Bool {
        let place = place(of: symbol)
        guard !publisher.isFull(lane: place.lane) || makeRoom(lane: place.lane) else {
            return false
        }
        let header = TickHeader(
            symbol: place.symbol, providerTime: .undefined, receiveTime: time.now())
        // The provider has not stopped it; but it has to be asked for again.
        let reset = DepthReset(header: header, reason: .halted)
        guard publisher.append(.depthReset(reset), lane: place.lane) == .appended else {
            return false
        }
        books.wroteReset(symbol)
        return true
    }

    /// When rows would be taken again.
    func askForBooks(now: Int64) {
        parts.metrics.booksVoid.set(Double(books.voidCount))
        guard !backpressure.isPressed || backpressure.waits(kind: .depth) else { return }
        let symbols = books.takeToAsk(now: now)
        guard let first = symbols.first, let name = supply.symbol(first) else { return }
        let asked = symbols.count { supply.restart($0, .depth) }
        parts.context.telemetry.emit(
            BooksVoid(
                source: parts.settings.source, symbol: name, count: symbols.count, asked: asked))
    }
}

/// Rows of books were left out, so that these are void until they begin anew.
struct BooksVoid: TelemetryEvent {
    static let name = "gateway.books_void"
    let source: SourceName
    /// The first of them.
    let symbol: Symbol
    let count: Int
    let asked: Int

    var level: LogLevel { .warning }
    var message: String {
        let books = "rows of \(count) books were left out (the first is \(symbol)'s): "
        return asked == count
            ? books + "they are void until the provider, which is asked for them anew, begins again"
            : books + "\(count - asked) of them stay void until the provider resets them by "
                + "itself, as it cannot be asked for a book anew"
    }
    var fields: [(String, LogValue)] {
        [
            ("source", .text(source.text)), ("books", .integer(Int64(count))),
            ("asked", .integer(Int64(asked))),
        ]
    }
}
