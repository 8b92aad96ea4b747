package import NatsTransport
package import TapeProtocol

// How the streams and buckets of a namespace are made: by `tapeline setup`, or, on a server without
// users, by the service that needs them.
extension TapeNames {
    package func tickStreamConfigurations(bytesMax: Int64) -> [StreamConfiguration] {
        (0..<Self.tickStreams).map { index in
            tapeStream(
                tickStream(index), subjects: tickStreamSubjects(index), bytesMax: bytesMax)
        }
    }

    package func barStreamConfiguration(bytesMax: Int64) -> StreamConfiguration {
        tapeStream(barStream, subjects: barStreamSubjects, bytesMax: bytesMax)
    }

    func tapeStream(_ name: String, subjects: [String], bytesMax: Int64) -> StreamConfiguration {
        var stream = StreamConfiguration(
            name: name, subjects: subjects, maxBytes: bytesMax, metadata: record)
        // Message ids are not used: compare-and-set ensures order and prevents doubles.
        stream.duplicateWindow = .seconds(1)
        // People's programs make consumers, too, and forget them.
        stream.consumerInactiveMax = Self.consumerInactiveMax
        return stream
    }

    /// Far above the threshold of our own readers.
    package static let consumerInactiveMax = Duration.seconds(300)

    package func deadLetterStreamConfiguration(bytesMax: Int64) -> StreamConfiguration {
        var stream = StreamConfiguration(
            name: deadLetterStream, subjects: [deadLetters], maxBytes: bytesMax, metadata: record)
        // After a COMMIT of unknown outcome, the repeat comes within an outage of the database.
        stream.duplicateWindow = .seconds(3_600)
        return stream
    }

    package var sourceBucketConfiguration: KeyValueConfiguration {
        KeyValueConfiguration(bucket: sourceBucket, bytesMax: 16 << 20, metadata: record)
    }

    package var operatorBucketConfiguration: KeyValueConfiguration {
        KeyValueConfiguration(bucket: operatorBucket)
    }
}
