package import NatsTransport

/// The result of setting up a stream, or the stream of a bucket.
package struct StreamSetup: Equatable, Sendable {
    package enum Outcome: Equatable, Sendable {
        /// The stream did not exist.
        case made
        /// The stream existed and has got more room or subjects.
        case enlarged(from: Int64, subjects: Int)
        /// The stream existed as wanted, or holds more: none is made smaller.
        case left
        /// The stream holds less than wanted, and the server refused to change that.
        case refused(JetStreamError)
    }

    package let stream: String
    package let outcome: Outcome
    /// The stream's present limit; -1: no limit.
    package let bytesMax: Int64
    /// The limit in the settings.
    package let wanted: Int64
}

extension JetStream {
    /// Makes the stream, or gives the existing one the subjects and the room that it lacks, and
    /// with them the limit of consumers. Any other difference throws `.differs`.
    package func setUpStream(
        _ configuration: StreamConfiguration
    ) throws(JetStreamError) -> StreamSetup {
        var wanted = configuration
        let room = wanted.maxBytes
        guard let there = try streamInfo(wanted.name) else {
            let made = try createStream(wanted).configuration
            return StreamSetup(
                stream: made.name, outcome: .made, bytesMax: made.maxBytes, wanted: room)
        }
        let before = there.configuration
        // The server refuses a size for which it has no room, also for an existing stream.
        wanted.maxBytes = before.maxBytes
        // When the existing stream has options that this client does not know, such as compression,
        // the server refuses to make it again. So one that is as wanted is not made again.
        let isAsWanted = wanted.differences(from: before).isEmpty
        let extended = isAsWanted ? there : try createOrExtendStream(wanted)
        let added = extended.configuration.subjects.count - before.subjects.count
        var outcome = StreamSetup.Outcome.left
        var present = extended.configuration.maxBytes
        do throws(JetStreamError) {
            var grown = try growStream(extended, to: room)
            present = grown.configuration.maxBytes
            // Not alone: after any change the release before this one takes the stream for a new
            // one (`JetStream.change`), and could not be gone back to.
            if grown != there { grown = try limitConsumers(grown, as: wanted) }
            if added > 0 || present != before.maxBytes {
                outcome = .enlarged(from: before.maxBytes, subjects: added)
            }
        } catch {
            outcome = .refused(error)
        }
        return StreamSetup(
            stream: wanted.name, outcome: outcome, bytesMax: present, wanted: room)
    }

    /// Returns the bucket. On a server without users it is made when it does not exist. On a server
    /// with users `tapeline setup` makes it, and until then this throws `.missingStream`.
    package func openOrMakeBucket(
        _ configuration: KeyValueConfiguration
    ) throws(TapeError) -> KeyValueBucket {
        do throws(JetStreamError) {
            if let bucket = try openBucket(configuration) { return bucket }
            if !connection.demandsAuthorization { return try createBucket(configuration) }
        } catch {
            throw TapeError(making: error)
        }
        throw .missingStream(configuration.stream.name)
    }
}
