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

    let kind: ColumnKind
    private let file: RecordingFile
    private var decoder: ColumnDecoder
    private var isFirst = true
    /// What ended the reading, after the rows before it.
    private var failure: DecodeError?

    init(_ path: String, _ kind: ColumnKind, _ selection: RowSelection) throws(DecodeError) {
        self.kind = kind
        do throws(RecordingError) {
            file = try RecordingFile(path)
        } catch {
            throw DecodeError(error)
        }
        var selection = selection
        selection.narrow(toPartitionsOf: file.about.partitions)
        decoder = ColumnDecoder([kind], selection)
    }

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

    func provenance() -> String {
        decoder.provenance(isComplete: file.hasEnded && failure == nil, interface: interfaceNumber)
    }

    private func isBatch(_ bytesRead: Int) -> Bool {
        let rows = decoder.rows(of: kind)
        guard rows > 0 else { return false }
        return !decoder.hasRoom || bytesRead >= Self.batchBytes || isFirst && rows >= Self.firstRows
    }

    /// Takes the next packet. Returns its length.
    private func readPacket() -> Int {
        let place = file.offset
        do throws(RecordingError) {
            return try file.withNext { header, packet in
                let origin = PacketOrigin(
                    sequence: file.packets, place: place + RecordingFormat.frameHeadBytes)
                do throws(DecodeError) {
                    try decoder.take(packet, header, origin)
                } catch {
                    failure = error
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

extension RecordingInfo {
    /// Everything that the header says, as JSON.
    var json: String {
        var json = JSONWriter()
        json.object { json in
            json.member("format", RecordingFormat.version)
            json.member("namespace", namespace)
            json.member("source", source.text)
            json.member("partitions", partitions)
            json.member(
                "present",
                array: { json in
                    for partition in present { json.value(partition.number) }
                })
            json.member(
                "symbols",
                array: { json in
                    for symbol in symbols { json.value(symbol.text) }
                })
            for (name, time) in [("from", from), ("to", to), ("created", created)] {
                json.key(name)
                time.isDefined ? json.value(time.nanoseconds) : json.null()
            }
        }
        return json.text
    }
}
