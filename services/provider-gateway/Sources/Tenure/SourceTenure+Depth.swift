import MarketModel
import Primitives
import ServiceRuntime
import TapeCodec
import TapeTransport

/// Rows of books. A reset is never left out: when it finds no room, one goes onto the tape before
/// any other row as soon as there is room.
extension SourceTenure {
    /// Takes a row or a reset. Returns false when it has to wait for the next packet.
    func takeOfBook(_ record: TapeRecord, _ symbol: Int, _ now: Timestamp) -> Bool {
        let place = place(of: symbol)
        guard let header = record.header, symbol < outflow.lanes.places.count else {
            refuseUnknown(symbol)
            return true
        }
        let isAhead = !inflow.isRecorded && inflow.time.refuses(header)
        if case .depthReset = record {
            emptied(symbol, at: isAhead ? now : header.eventTime)
            // The owed reset gets the gateway's time instead of the wrong one.
            guard !isAhead else { return true }
        } else if isAhead {
            lost(symbol, to: now)
            return refuse(record, symbol, now)
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
            if case .depthReset = record { inflow.depth.wroteReset(symbol) }
        case .full:
            inflow.ticks.putBack()
            return makeRoom(lane: place.lane)
        case .refused: lost(symbol, to: header.eventTime)
        }
        return true
    }

    /// Notes that a policy left out a row, whose gap is on record, or a reset, which is then owed.
    func leftOutOfBook(_ symbol: Int, isReset: Bool, _ time: Timestamp) {
        if isReset { emptied(symbol, at: time) } else { lost(symbol, to: behind(time)) }
    }

    private func leaveOutRow(_ symbol: Int, _ time: Timestamp) {
        parts.metrics.leftOut(.depth).add()
        ledgers.gaps.leftOut(
            symbol: symbol, kind: .depth, time: time, now: clock.monotonic().nanoseconds)
        lost(symbol, to: behind(time))
    }

    private func behind(_ time: Timestamp) -> Timestamp {
        time.isDefined ? time.advanced(byNanoseconds: 1) : time
    }

    /// Notes that the book on the tape differs from the provider's from now on.
    func lost(_ symbol: Int, to time: Timestamp) {
        if inflow.depth.lost(symbol, to: time) { parts.metrics.booksVoided.add() }
    }

    /// Notes that the provider's book begins again, which ends the time in which it is void.
    private func emptied(_ symbol: Int, at time: Timestamp) {
        let toldTo = inflow.depth.emptied(symbol)
        inflow.depth.owe(symbol)
        guard let toldTo else { return }
        ledgers.gaps.missed(
            PendingGaps.Gap(symbol: symbol, kind: .depth, from: toldTo, to: time, reason: .dropped),
            holds: false)
    }

    /// Notes that packets of the lane were lost, which may contain rows of any of its books.
    func lostBooks(inLane lane: Int, to time: Timestamp) {
        for (symbol, place) in outflow.lanes.places.enumerated()
        where place.lane == lane && inflow.depth.isKnown(symbol) {
            lost(symbol, to: time)
        }
    }

    func writeResets() { for symbol in inflow.depth.owing { _ = writeReset(symbol) } }

    /// Writes an owed reset. Returns false when there is no room for it now.
    private func writeReset(_ symbol: Int) -> Bool {
        let place = place(of: symbol)
        guard !outflow.publisher.isFull(lane: place.lane) || makeRoom(lane: place.lane) else {
            return false
        }
        let header = TickHeader(
            symbol: place.symbol, providerTime: .undefined, receiveTime: inflow.time.now())
        // The provider has not stopped the book, but `halted` tells readers that it has to be
        // requested again.
        let reset = DepthReset(header: header, reason: .halted)
        guard outflow.publisher.append(.depthReset(reset), lane: place.lane) == .appended else {
            return false
        }
        inflow.depth.wroteReset(symbol)
        return true
    }

    /// Requests void books from the provider, unless a policy would leave out their rows.
    func askForBooks(now: Int64) {
        parts.metrics.booksVoid.set(Double(inflow.depth.voidCount))
        guard !inflow.backpressure.isPressed || inflow.backpressure.waits(kind: .depth) else {
            return
        }
        let symbols = inflow.depth.takeToAsk(now: now)
        guard let first = symbols.first, let name = inflow.ticks.symbol(first) else { return }
        let asked = symbols.count { inflow.ticks.restart($0, .depth) }
        parts.context.telemetry.emit(
            BooksVoid(
                source: parts.settings.source, symbol: name, count: symbols.count, asked: asked))
    }
}

/// Reports that rows of books were left out, so that these books are void until they begin again.
struct BooksVoid: TelemetryEvent {
    static let name = "gateway.books_void"
    let source: SourceName
    /// The symbol of the first book.
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
