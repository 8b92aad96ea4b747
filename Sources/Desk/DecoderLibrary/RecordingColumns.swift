internal import ArrowColumns
internal import MarketModel
internal import Primitives
internal import Recordings
internal import TapeCodec

/// One kind of a recording, batch by batch.
final class RecordingColumns {
    /// The first batch has at least so many rows, if there are as many. So it comes soon.
    private static let firstRows = 4_096
    /// After so many bytes of packets, a batch that has rows comes.
    private static let batchBytes = 16 << 20

    private let shape: ColumnShape
    private let file: RecordingFile
    private var decoder: ColumnDecoder
    private var isFirst = true
    /// What ended the reading, after the rows before it.
    private var failure: DecodeError?

    init(_ path: String, _ shape: ColumnShape, _ selection: RowSelection) throws(DecodeError) {
        self.shape = shape
        do throws(RecordingError) {
            file = try RecordingFile(path)
        } catch {
            throw DecodeError(error)
        }
        guard shape.kind != .bars || file.about.hasBars else {
            throw DecodeError(.invalid, "\(path) has no bars: they were left out")
        }
        var selection = selection
        selection.narrow(toPartitionsOf: file.about.partitions)
        let kind = shape.kind
        file.leavesMessages = { Self.isWanted($0, kind) }
        decoder = ColumnDecoder([kind], selection, shape: shape)
    }

    private var kind: ColumnKind { shape.kind }

    /// Returns the next rows; `nil` after the last ones, when everything was right. After an error
    /// each call throws the same one.
    func next() throws(DecodeError) -> ColumnBatch? {
        var bytesRead = 0
        while failure == nil, !file.hasEnded, !isBatch(bytesRead) {
            bytesRead += readPacket()
        }
        if let batch = decoder.batch(of: kind) {
            isFirst = false
            return batch
        }
        if let failure { throw failure }
        return nil
    }

    /// Returns the texts that a column's numbers mean, of all batches so far.
    func texts(of column: String) throws(DecodeError) -> TextPage {
        guard let texts = shape.texts(of: column) else {
            throw DecodeError(.invalid, "the stream has no texts '\(column)'")
        }
        return decoder.page(texts)
    }

    func provenance() -> String {
        decoder.provenance(isComplete: file.hasEnded && failure == nil, interface: interfaceNumber)
    }

    private func isBatch(_ bytesRead: Int) -> Bool {
        let rows = decoder.rows(of: kind)
        guard rows > 0 else { return false }
        return !decoder.hasRoom || bytesRead >= Self.batchBytes || isFirst && rows >= Self.firstRows
    }

    /// Bars have ordinals of their own, so holes in them are of no matter to ticks.
    private static func isWanted(_ header: PacketHeader, _ kind: ColumnKind) -> Bool {
        (header.kind == .bars) == (kind == .bars)
    }

    /// Returns what is wrong with the messages of a packet that the decoder has refused.
    private static func damage(
        _ packet: RawSpan, _ frame: RecordedFrame, in path: String
    ) -> DecodeError? {
        do throws(RecordingError) {
            try RecordingFile.check(packet, of: frame, in: path)
            return nil
        } catch {
            return DecodeError(error)
        }
    }

    /// Takes the next packet. Returns its length.
    private func readPacket() -> Int {
        do throws(RecordingError) {
            return try file.withNext { frame, packet in
                guard Self.isWanted(frame.header, kind) else { return packet.byteCount }
                let origin = PacketOrigin(
                    sequence: file.packets, knownAt: frame.knownAt, place: frame.place)
                do throws(DecodeError) {
                    try decoder.take(packet, frame.header, origin)
                } catch {
                    // The decoder does not name the file.
                    failure = Self.damage(packet, frame, in: file.path) ?? error
                }
                return packet.byteCount
            } ?? 0
        } catch {
            failure = DecodeError(error)
            return 0
        }
    }
}

extension DecodeError {
    init(_ error: RecordingError) {
        self.init(error.isOfSystem ? .unreadable : .damaged, "\(error)")
        offset = error.offset
    }
}

extension RecordingFile {
    /// Everything that the header says, and which bars are complete, as JSON.
    func json() throws(RecordingError) -> String {
        let bars = try bars()
        var json = JSONWriter()
        json.object { json in
            json.member("format", Int(RecordingFormat.version))
            json.member("namespace", about.namespace)
            json.member("source", about.source.text)
            json.member("partitions", about.partitions)
            json.array("present") { json in
                for partition in about.present { json.value(partition.number) }
            }
            json.array("symbols") { json in
                for symbol in about.symbols { json.value(symbol.text) }
            }
            json.member("from", about.from)
            json.member("to", about.to)
            json.member("created", about.created)
            guard about.hasBars else {
                json.key("bars")
                json.null()
                return
            }
            json.array("bars") { json in
                for entry in bars where !entry.isEmpty { entry.write(into: &json) }
            }
        }
        return json.text
    }
}

extension RecordedBars {
    fileprivate func write(into json: inout JSONWriter) {
        json.object { json in
            json.member("partition", partition.number)
            // From the beginning of the tape.
            json.member("from", from.nanoseconds == .min ? .undefined : from)
            json.member("to", to)
            json.member("closed", closed)
        }
    }
}

extension JSONWriter {
    fileprivate mutating func member(_ name: String, _ time: Timestamp) {
        key(name)
        time.isDefined ? value(time.nanoseconds) : null()
    }
}
