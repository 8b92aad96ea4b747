internal import ArrowColumns
internal import MarketModel
internal import Primitives
internal import Recordings
internal import TapeCodec

/// One kind of a recording, batch by batch. A thread of its own reads and checks the file ahead.
final class RecordingColumns {
    /// The first batch has at least so many rows, if there are as many. So it comes soon.
    private static let firstRows = 4_096
    /// After so many bytes of packets, a batch that has rows comes.
    private static let batchBytes = 16 << 20

    private let path: String
    private let shape: ColumnShape
    let queue: FrameQueue
    private var decoder: ColumnDecoder
    private var block: FrameBlock?
    /// The next packet of the block.
    private var place = 0
    private var isFirst = true
    private var hasEnded = false
    /// What ended the reading, after the rows before it.
    private var failure: DecodeError?

    /// Opens a recording. A block of packets that are read ahead has so many bytes.
    init(
        _ path: String, _ shape: ColumnShape, _ selection: RowSelection,
        blockBytes: Int = FrameBlock.bytesFull
    ) throws(DecodeError) {
        self.path = path
        self.shape = shape
        let file: RecordingFile
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
        let queue = FrameQueue(file, blockBytes: blockBytes)
        self.queue = queue
        decoder = ColumnDecoder(
            [shape.kind], selection, shape: shape,
            memory: unsafe BatchMemory { unsafe queue.memory($0) })
    }

    deinit { queue.close() }

    private var kind: ColumnKind { shape.kind }

    /// Returns the next rows; `nil` after the last ones, when everything was right. After an error
    /// each call throws the same one.
    func next() throws(DecodeError) -> ColumnBatch? {
        var bytesRead = 0
        do throws(DecodeError) {
            while failure == nil, !hasEnded, !isBatch(bytesRead) { bytesRead += try takePacket() }
        } catch {
            failure = error
            queue.close()
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
        decoder.provenance(isComplete: hasEnded, interface: interfaceNumber)
    }

    private func isBatch(_ bytesRead: Int) -> Bool {
        let rows = decoder.rows(of: kind)
        guard rows > 0 else { return false }
        return !decoder.hasRoom || bytesRead >= Self.batchBytes || isFirst && rows >= Self.firstRows
    }

    /// Takes the next packet, or notes the end. Returns the packet's length.
    private func takePacket() throws(DecodeError) -> Int {
        guard let (block, frame) = try nextFrame() else {
            hasEnded = true
            queue.close()
            return 0
        }
        let header = frame.recorded.header
        if Self.isWanted(header, kind) {
            let origin = PacketOrigin(
                sequence: frame.number, knownAt: frame.recorded.knownAt,
                place: frame.recorded.place)
            try block.withPacket(of: frame) { packet throws(DecodeError) in
                do throws(DecodeError) {
                    try decoder.take(packet, header, origin)
                } catch {
                    try Self.check(packet, frame, in: path)
                    throw error
                }
            }
        }
        return Int(header.byteCount)
    }

    /// Checks the messages of a packet that the decoder has refused: the decoder does not name the
    /// file.
    private static func check(
        _ packet: RawSpan, _ frame: FrameBlock.Frame, in path: String
    ) throws(DecodeError) {
        do throws(RecordingError) {
            try RecordingFile.check(packet, of: frame.recorded, in: path)
        } catch {
            throw DecodeError(error)
        }
    }

    /// Bars have ordinals of their own, so holes in them are of no matter to ticks. Values are
    /// among both.
    private static func isWanted(_ header: PacketHeader, _ kind: ColumnKind) -> Bool {
        kind == .indicators || (header.kind == .bars) == (kind == .bars)
    }

    private func nextFrame() throws(DecodeError) -> (FrameBlock, FrameBlock.Frame)? {
        while true {
            if let block, place < block.frames.count {
                place += 1
                return (block, block.frames[place - 1])
            }
            switch block?.end {
            case .complete: return nil
            case .failed(let error): throw DecodeError(error)
            case nil:
                block = queue.next(after: block)
                place = 0
            }
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
        return JSONWriter.made { json in
            json.member("format", Int(RecordingFormat.version))
            json.member("namespace", about.namespace)
            json.member("source", about.source.text)
            json.member("partitions", about.partitions)
            json.member("present", values: about.present.map(\.number))
            json.member("symbols", values: about.symbols.map(\.text))
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
        }.text
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
