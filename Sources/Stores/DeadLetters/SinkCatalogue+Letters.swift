internal import MarketModel
package import Primitives
package import StoreSinks
package import TapeCodec
package import TapeTransport

// What a letter is as a row.
extension SinkCatalogue {
    /// Returns the sink of which a row can be made of the letter; `nil` when none can be made.
    package func sink(of letter: DeadLetter) -> Int? {
        guard !letter.isTruncated, let name = SinkName(rawValue: letter.sink),
            let index = sinks.firstIndex(where: { $0.name == name }),
            canRead(letter, sink: index)
        else { return nil }
        return index
    }

    /// Returns whether the payload is a packet with one tick of this sink.
    private func canRead(_ letter: DeadLetter, sink: Int) -> Bool {
        letter.payload.withRawSpan { packet in
            guard let header = Self.header(of: packet), header.tickCount == 1,
                header.firstOrdinal == letter.place.ordinal,
                header.source == letter.place.source, header.partition == letter.place.partition
            else { return false }
            var isThere = false
            var context = PacketContext(header)
            context.walk(packet) { _, record, _ in
                isThere = isThere || index(of: record) == sink
            }
            return isThere
        }
    }

    /// Returns the series of a letter's bar, if its table is not known yet.
    package func unknownSeries(
        _ letter: DeadLetter, _ series: SeriesTables
    ) -> Set<SeriesTables.Candidate> {
        letter.payload.withRawSpan { packet in
            var found: Set<SeriesTables.Candidate> = []
            guard let header = Self.header(of: packet) else { return found }
            var context = PacketContext(header)
            context.walk(packet) { context, record, _ in
                if let candidate = series.unknown(record, context) { found.insert(candidate) }
            }
            return found
        }
    }

    /// Returns the table and the time of the letter's row, and the time the tick was received.
    /// `nil` if the table is not partitioned by time.
    package func times(
        _ letter: DeadLetter, sink: Int, _ series: SeriesTables
    ) -> (table: String, row: Timestamp, received: Timestamp)? {
        letter.payload.withRawSpan { packet in
            guard let header = Self.header(of: packet) else { return nil }
            var times: (table: String, row: Timestamp, received: Timestamp)?
            var context = PacketContext(header)
            context.walk(packet) { context, record, _ in
                guard index(of: record) == sink else { return }
                guard let time = sinks[sink].time(record, context, packet) else { return }
                let received = Self.receiveTime(of: record, packet) ?? header.sendTime
                let table = tables[table(sink, of: record, context, series)]
                times = (table, time.storable, received.storable)
            }
            return times
        }
    }

    private static func receiveTime(of record: Record, _ packet: RawSpan) -> Timestamp? {
        switch record {
        case .trade(let trade): trade.header.receiveTime
        case .quote(let quote): quote.header.receiveTime
        case .other(let message): message.tickHeader(in: packet)?.receiveTime
        case .bar, .malformed: nil
        }
    }

    /// Makes the letter's record a row of this sink by `write`, which is one of the sink's. Returns
    /// false when no row can be made of it: its record refers to what its packet does not define.
    /// `time` is when the row becomes known, for stores that keep it with the row.
    package func row<Failure: Error>(
        of letter: DeadLetter, sink: Int, at time: Timestamp = .undefined,
        _ write: (Record, borrowing PacketContext, RawSpan, UInt64) throws(Failure) -> Bool
    ) throws(Failure) -> Bool {
        try letter.payload.withRawSpan { packet throws(Failure) in
            guard let header = Self.header(of: packet) else { return false }
            precondition(header.tickCount == 1, "a letter is of one record")
            var isWritten = false
            var context = PacketContext(header)
            context.store = letter.owner
            context.tapeTime = time
            try context.walk(packet) { context, record, ordinal throws(Failure) in
                guard index(of: record) == sink else { return }
                isWritten = try write(record, context, packet, ordinal)
            }
            return isWritten
        }
    }

    /// Returns the letter's cancel or correction by id; `nil` when it is none.
    package func changeByID(_ letter: DeadLetter) -> ChangeByID? {
        letter.payload.withRawSpan { packet in
            guard let header = Self.header(of: packet) else { return nil }
            var change: ChangeByID?
            var context = PacketContext(header)
            context.walk(packet) { context, record, ordinal in
                change =
                    ChangeByID(
                        record, context, ordinal: ordinal,
                        streamCreated: letter.place.streamCreated,
                        sequence: letter.place.sequence) ?? change
            }
            return change
        }
    }

    private static func header(of packet: RawSpan) -> PacketHeader? {
        do throws(PacketError) {
            return try PacketReader.validate(packet)
        } catch {
            return nil
        }
    }
}

extension Sink {
    /// Returns the condition by which a row `t` is that of a tick, without its symbol. `value`
    /// returns the value that a column has to have.
    package func sameTick(_ value: (String) -> String) -> String {
        let plain = ["sink", "input", "source", "partition", "ordinal", "ts"]
        return plain.filter(copyColumns.contains).map { "t.\($0) = \(value($0))" }
            .joined(separator: " AND ")
    }
}
