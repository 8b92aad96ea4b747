internal import ArrowColumns
internal import CDecoder
internal import Glibc
internal import MarketModel
internal import Primitives
internal import Recordings
internal import Synchronization
internal import TapeCodec

// The functions of tapeline_decoder.h, which says what each does. Nothing that C passes may end the
// process, so each checks its arguments and hands errors out as codes.

/// The version of the interface.
let interfaceNumber = Int(TAPELINE_DECODER_INTERFACE)

@_cdecl("tapeline_interface")
package func tapelineInterface() -> UInt32 { UInt32(interfaceNumber) }

@_cdecl("tapeline_text_free")
package func tapelineTextFree(_ text: UnsafeMutablePointer<CChar>?) { unsafe free(text) }

@_cdecl("tapeline_schema")
package func tapelineSchema(
    _ kind: Int32, _ out: UnsafeMutableRawPointer?, _ error: UnsafeMutableRawPointer?
) -> Int32 {
    unsafe outcome(error) { () throws(DecodeError) in
        let kind = try ColumnKind(checked: kind)
        let out = try unsafe checked(out, ArrowSchema.self)
        unsafe ColumnShape(of: kind).export(to: out)
    }
}

// MARK: recordings

/// What `tapeline_reader` points at.
private final class Reader: Sendable {
    private struct State {
        let columns: RecordingColumns
        var failure: DecodeError?
        var isStreamed = false
    }

    let shape: ColumnShape
    private let path: String
    private let process = getpid()
    private let state: Mutex<State>

    init(_ path: String, _ shape: ColumnShape, _ selection: RowSelection) throws(DecodeError) {
        self.shape = shape
        self.path = path
        state = Mutex(State(columns: try RecordingColumns(path, shape, selection)))
    }

    /// Calls `body` under the lock. In a child of a fork the lock may stay taken for ever: a thread
    /// of the parent had it.
    private func use<Result: Sendable>(
        _ body: (inout State) throws(DecodeError) -> Result
    ) throws(DecodeError) -> Result {
        guard process == getpid() else {
            throw DecodeError(
                .invalid, "\(path) was opened before a fork: open it again in the child")
        }
        return try state.withLock { state throws(DecodeError) in try body(&state) }
    }

    /// Throws what ended the stream.
    func check() throws(DecodeError) {
        if let failure = try use({ $0.failure }) { throw failure }
    }

    /// Notes that the stream was handed out. Returns false when it was before.
    func beginStream() throws(DecodeError) -> Bool {
        try use { state in
            defer { state.isStreamed = true }
            return !state.isStreamed
        }
    }

    func next() throws(DecodeError) -> ColumnBatch? {
        try use { state throws(DecodeError) in
            do throws(DecodeError) {
                return try state.columns.next()
            } catch {
                state.failure = error
                throw error
            }
        }
    }

    func texts(of column: String) throws(DecodeError) -> TextPage {
        try use { state throws(DecodeError) in try state.columns.texts(of: column) }
    }

    func provenance() throws(DecodeError) -> String { try use { $0.columns.provenance() } }
}

@_cdecl("tapeline_recording_info")
package func tapelineRecordingInfo(
    _ path: UnsafePointer<CChar>?, _ error: UnsafeMutableRawPointer?
) -> UnsafeMutablePointer<CChar>? {
    unsafe result(error) { () throws(DecodeError) in
        let path = try unsafe text(path, "the path")
        do throws(RecordingError) {
            let json = try RecordingFile(path).json()
            return unsafe strdup(json)
        } catch {
            throw DecodeError(error)
        }
    }
}

@_cdecl("tapeline_reader_open")
package func tapelineReaderOpen(
    _ path: UnsafePointer<CChar>?, _ kind: Int32, _ selection: UnsafeRawPointer?,
    _ shape: UnsafeRawPointer?, _ error: UnsafeMutableRawPointer?
) -> OpaquePointer? {
    unsafe result(error) { () throws(DecodeError) in
        let shape = try unsafe ColumnShape(of: ColumnKind(checked: kind), shape)
        let path = try unsafe text(path, "the path")
        let reader = try unsafe Reader(path, shape, RowSelection(selection))
        return unsafe retained(reader)
    }
}

@_cdecl("tapeline_reader_stream")
package func tapelineReaderStream(
    _ reader: OpaquePointer?, _ out: UnsafeMutableRawPointer?, _ error: UnsafeMutableRawPointer?
) -> Int32 {
    unsafe outcome(error) { () throws(DecodeError) in
        let reader = try unsafe handle(reader, Reader.self)
        let out = try unsafe checked(out, ArrowArrayStream.self)
        guard try reader.beginStream() else {
            throw DecodeError(.invalid, "the reader's stream was taken already: open another one")
        }
        let shape = reader.shape
        unsafe BatchStream(shape, next: { () throws(DecodeError) in try reader.next() })
            .export(to: out)
    }
}

@_cdecl("tapeline_reader_error")
package func tapelineReaderError(
    _ reader: OpaquePointer?, _ error: UnsafeMutableRawPointer?
) -> Int32 {
    unsafe outcome(error) { () throws(DecodeError) in
        try unsafe handle(reader, Reader.self).check()
    }
}

@_cdecl("tapeline_reader_texts")
package func tapelineReaderTexts(
    _ reader: OpaquePointer?, _ column: UnsafePointer<CChar>?, _ out: UnsafeMutableRawPointer?,
    _ error: UnsafeMutableRawPointer?
) -> Int32 {
    unsafe outcome(error) { () throws(DecodeError) in
        let reader = try unsafe handle(reader, Reader.self)
        let column = try unsafe text(column, "the column")
        let out = try unsafe checked(out, ArrowArray.self)
        try unsafe reader.texts(of: column).export(to: out)
    }
}

@_cdecl("tapeline_reader_provenance")
package func tapelineReaderProvenance(
    _ reader: OpaquePointer?
) -> UnsafeMutablePointer<CChar>? {
    unsafe result(nil) { () throws(DecodeError) in
        let json = try unsafe handle(reader, Reader.self).provenance()
        return unsafe strdup(json)
    }
}

@_cdecl("tapeline_reader_close")
package func tapelineReaderClose(_ reader: OpaquePointer?) {
    unsafe release(reader, Reader.self)
}

// MARK: packets of the tape

/// What `tapeline_decoder` points at.
private final class Decoder: Sendable {
    private let state: Mutex<ColumnDecoder>

    init(_ kinds: Set<ColumnKind>, _ selection: RowSelection) {
        state = Mutex(ColumnDecoder(kinds, selection, memory: .ofLargePages))
    }

    func use<Result: Sendable>(
        _ body: (inout ColumnDecoder) throws(DecodeError) -> Result
    ) throws(DecodeError) -> Result {
        try state.withLock { decoder throws(DecodeError) in try body(&decoder) }
    }
}

@_cdecl("tapeline_decoder_new")
package func tapelineDecoderNew(
    _ kinds: UInt32, _ selection: UnsafeRawPointer?, _ error: UnsafeMutableRawPointer?
) -> OpaquePointer? {
    unsafe result(error) { () throws(DecodeError) in
        let known = ColumnKind.allCases.filter { kinds >> UInt32($0.rawValue) & 1 == 1 }
        guard !known.isEmpty, known.count == kinds.nonzeroBitCount else {
            throw DecodeError(.invalid, "the set of kinds is empty, or has unknown ones")
        }
        let decoder = try unsafe Decoder(Set(known), RowSelection(selection))
        return unsafe retained(decoder)
    }
}

@_cdecl("tapeline_decoder_expect")
package func tapelineDecoderExpect(
    _ decoder: OpaquePointer?, _ source: UnsafePointer<CChar>?, _ partition: Int32,
    _ nextOrdinal: UInt64, _ error: UnsafeMutableRawPointer?
) -> Int32 {
    unsafe outcome(error) { () throws(DecodeError) in
        let decoder = try unsafe handle(decoder, Decoder.self)
        let source = try SourceName(checked: unsafe text(source, "the source"))
        guard Int(partition) >= 0, Int(partition) < Partition.countRange.upperBound else {
            throw DecodeError(.invalid, "there is no partition \(partition)")
        }
        guard nextOrdinal > 0, nextOrdinal <= UInt64(Int64.max) else {
            throw DecodeError(.invalid, "ordinals begin with 1 and have 63 bits")
        }
        let isOfBars = source == .operator || source == .universe
        let key = LaneKey(isOfBars ? .bars : .ticks, source, Partition(Int(partition)))
        try decoder.use { decoder throws(DecodeError) in try decoder.expect(nextOrdinal, of: key) }
    }
}

@_cdecl("tapeline_decoder_feed")
package func tapelineDecoderFeed(
    _ decoder: OpaquePointer?, _ packet: UnsafePointer<UInt8>?, _ count: Int,
    _ message: UnsafeRawPointer?, _ error: UnsafeMutableRawPointer?
) -> Int32 {
    unsafe outcome(error) { () throws(DecodeError) in
        let decoder = try unsafe handle(decoder, Decoder.self)
        guard let packet = unsafe packet, count >= 0 else {
            throw DecodeError(.invalid, "there is no packet")
        }
        var origin = PacketOrigin()
        // Safety: the caller's bytes are read during the call only.
        let bytes = unsafe UnsafeRawBufferPointer(start: packet, count: count)
        var subject = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
        if let message = unsafe message?.assumingMemoryBound(to: tapeline_message.self) {
            origin.sequence = unsafe message.pointee.sequence
            origin.knownAt = unsafe Timestamp(nanoseconds: message.pointee.stream_time)
            if let text = unsafe message.pointee.subject {
                unsafe subject = UnsafeRawBufferPointer(start: text, count: strlen(text))
            }
        }
        try decoder.use { decoder throws(DecodeError) in
            if unsafe subject.baseAddress == nil {
                try unsafe decoder.feed(bytes.bytes, origin)
            } else {
                try unsafe decoder.feed(bytes.bytes, origin, subject: subject.bytes)
            }
        }
    }
}

@_cdecl("tapeline_decoder_rows")
package func tapelineDecoderRows(_ decoder: OpaquePointer?, _ kind: Int32) -> Int64 {
    var rows = Int64(-1)
    _ = outcome(nil) { () throws(DecodeError) in
        let kind = try ColumnKind(checked: kind)
        rows = try unsafe handle(decoder, Decoder.self).use { decoder in
            decoder.kinds.contains(kind) ? Int64(decoder.rows(of: kind)) : -1
        }
    }
    return rows
}

@_cdecl("tapeline_decoder_take")
package func tapelineDecoderTake(
    _ decoder: OpaquePointer?, _ kind: Int32, _ out: UnsafeMutableRawPointer?,
    _ error: UnsafeMutableRawPointer?
) -> Int32 {
    unsafe outcome(error) { () throws(DecodeError) in
        let decoder = try unsafe handle(decoder, Decoder.self)
        let kind = try ColumnKind(checked: kind)
        let out = try unsafe checked(out, ArrowArray.self)
        let batch = try decoder.use { decoder throws(DecodeError) in
            guard decoder.kinds.contains(kind) else {
                throw DecodeError(.invalid, "the decoder does not decode \(kind)")
            }
            return decoder.batch(of: kind)
        }
        if let batch {
            unsafe batch.export(to: out)
        } else {
            unsafe out.initialize(to: ArrowArray())
        }
    }
}

@_cdecl("tapeline_decoder_provenance")
package func tapelineDecoderProvenance(
    _ decoder: OpaquePointer?
) -> UnsafeMutablePointer<CChar>? {
    unsafe result(nil) { () throws(DecodeError) in
        let json = try unsafe handle(decoder, Decoder.self).use { decoder in
            decoder.provenance(isComplete: false, interface: interfaceNumber)
        }
        return unsafe strdup(json)
    }
}

@_cdecl("tapeline_decoder_free")
package func tapelineDecoderFree(_ decoder: OpaquePointer?) {
    unsafe release(decoder, Decoder.self)
}
