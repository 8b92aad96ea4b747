internal import Glibc
package import MarketModel
package import Primitives
internal import TapeCodec

/// Which bars of a partition a recording has completely.
package struct RecordedBars: Hashable, Sendable {
    package let partition: Partition
    /// Every packet of bars that the tape took in [from, to) is in the recording. The lowest time:
    /// from the beginning of the tape. Nothing is complete if both are equal.
    package let from: Timestamp
    package let to: Timestamp
    /// All bars that close up to this time were on the tape before `to`; undefined: unknown.
    package let closed: Timestamp

    package init(_ partition: Partition, from: Timestamp, to: Timestamp, closed: Timestamp) {
        self.partition = partition
        self.from = from
        self.to = to
        self.closed = closed
    }

    /// Nothing is complete.
    package init(_ partition: Partition) {
        self.init(partition, from: .undefined, to: .undefined, closed: .undefined)
    }

    /// Whether nothing is complete.
    package var isEmpty: Bool { from == to }
}

// What a recording says of its bars, after its end.
extension RecordingFormat {
    /// Returns the length of what a recording with bars has after its end.
    static func barsBytes(_ present: Int) -> Int { present * barsEntryBytes + checksumBytes }

    /// Returns what a recording with bars has after its end, whose chain is `chain`.
    package static func bars(
        _ stretches: [RecordedBars], of present: [Partition], after chain: UInt64
    ) -> [UInt8] {
        var bytes: [UInt8] = []
        for partition in present {
            let bars = stretches.first { $0.partition == partition } ?? RecordedBars(partition)
            for time in [bars.from, bars.to, bars.closed] {
                bytes.append(little: UInt64(bitPattern: time.nanoseconds))
            }
        }
        bytes.append(little: bytes.withRawSpan { Checksum.chained($0, after: chain) })
        return bytes
    }

    /// Reads what `bars` has written, at an offset of the file.
    static func bars(
        _ bytes: [UInt8], of present: [Partition], after chain: UInt64, at offset: Int
    ) throws(FormatProblem) -> [RecordedBars] {
        let end = bytes.count - checksumBytes
        let isRight = bytes.withRawSpan {
            $0.uint64(at: end) == Checksum.chained($0.extracting(0..<end), after: chain)
        }
        guard isRight else {
            throw FormatProblem(offset, "what it says of its bars is damaged")
        }
        var found: [RecordedBars] = []
        for (index, partition) in present.enumerated() {
            let times = (0..<3).map { place in
                let at = index * barsEntryBytes + place * 8
                return Timestamp(
                    nanoseconds: Int64(bitPattern: bytes.withRawSpan { $0.uint64(at: at) }))
            }
            guard times[0] <= times[1] else {
                throw FormatProblem(
                    offset + index * barsEntryBytes, "the time of its bars ends before it begins")
            }
            found.append(
                RecordedBars(partition, from: times[0], to: times[1], closed: times[2]))
        }
        return found
    }
}

extension RecordingFile {
    /// Reads from the end of the file which bars are complete, of each partition that is present.
    /// Empty: the recording has no bars. Only a reading of all packets proves the rest of the file.
    package func bars() throws(RecordingError) -> [RecordedBars] {
        guard about.hasBars else { return [] }
        do throws(FormatProblem) {
            let count =
                RecordingFormat.checksumBytes + RecordingFormat.barsBytes(about.present.count)
            var status = stat()
            guard unsafe fstat(descriptor, &status) == 0 else {
                throw FormatProblem(0, code: errno)
            }
            let place = Int(status.st_size) - count
            var bytes = [UInt8](repeating: 0, count: count)
            // A file that is too short gives too few bytes.
            let found = unsafe bytes.withUnsafeMutableBytes {
                unsafe pread(descriptor, $0.baseAddress, count, max(0, place))
            }
            guard found >= 0 else { throw FormatProblem(0, code: errno) }
            guard found == count else {
                throw FormatProblem(found, "it is cut off: it was not written to its end")
            }
            let chain = bytes.withRawSpan { $0.uint64(at: 0) }
            return try RecordingFormat.bars(
                Array(bytes.dropFirst(RecordingFormat.checksumBytes)), of: about.present,
                after: chain, at: place + RecordingFormat.checksumBytes)
        } catch {
            throw RecordingError(path, error)
        }
    }
}
