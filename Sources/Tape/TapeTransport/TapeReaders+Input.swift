package import MarketModel
internal import Primitives
internal import TapeCodec

// What one reader reads.
extension TapeReaders {
    /// The input of one reader.
    package struct Input: Sendable {
        /// The partition, for the owner and for events. It selects no packets.
        package let partition: Partition
        package let stream: String
        /// The filters of subjects; empty: all subjects of the stream.
        package let filters: [String]
        /// The packets are bars of many partitions, in the single order of their stream. In the
        /// position each partition is a separate source, `SourceName.operator(of:)`.
        package let spansPartitions: Bool
        /// The reader shares a consumer with others of its stream when it has read all that is
        /// stored. Its filters overlap with those of other such readers only where they are equal.
        package let sharesConsumer: Bool
        /// The tape may be purged before the reader has read it, because its group is not needed.
        /// It then continues at the first packet that is left, and what it lacks is a hole.
        package var mayBeLetGo = false
        /// What the reader is among those of its partition, for events; `nil` for the usual one.
        package var role: String?
        private let patterns: [SubjectFilter]

        package init(
            partition: Partition, stream: String, filters: [String], spansPartitions: Bool = false,
            sharesConsumer: Bool = false
        ) {
            self.partition = partition
            self.stream = stream
            self.filters = filters
            self.spansPartitions = spansPartitions
            self.sharesConsumer = sharesConsumer
            patterns = filters.map { SubjectFilter($0) }
        }

        /// Returns whether one of the filters lets a subject through.
        func passes(_ subject: RawSpan) -> Bool { patterns.contains { $0.passes(subject) } }

        /// Returns the header with the source under which the reader's position has its ordinals.
        func counted(_ header: PacketHeader) -> PacketHeader {
            guard spansPartitions else { return header }
            var counted = header
            counted.source = .operator(of: header.partition)
            return counted
        }
    }
}
