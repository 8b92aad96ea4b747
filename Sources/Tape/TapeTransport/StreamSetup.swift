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
    package var copies = Copies()

    /// The number of copies of the stream.
    package struct Copies: Equatable, Sendable {
        package var before = 1
        package var now = 1
        package var wanted = 1
        /// Why it was not raised; `nil` when nothing was refused.
        package var refusal: JetStreamError?
    }
}

extension JetStream {
    /// Makes the stream, or gives the existing one the subjects, the room and the copies that it
    /// lacks, and with the first two the limit of consumers. Any other difference throws
    /// `.differs`. The connection's `replicas` is the wanted number of copies.
    package func setUpStream(
        _ configuration: StreamConfiguration
    ) throws(JetStreamError) -> StreamSetup {
        var wanted = configuration
        wanted.replicas = connection.replicas
        guard let there = try streamInfo(wanted.name) else {
            let made = try createStream(wanted).configuration
            return StreamSetup(
                stream: made.name, outcome: .made, bytesMax: made.maxBytes,
                wanted: wanted.maxBytes,
                copies: StreamSetup.Copies(
                    before: made.replicas, now: made.replicas, wanted: wanted.replicas))
        }
        var setup = try update(there, to: wanted)
        setup.copies = addCopies(to: there)
        return setup
    }

    /// Raises the number of copies to that of the connection. It is never lowered.
    func addCopies(to stream: StreamInfo) -> StreamSetup.Copies {
        let before = stream.configuration.replicas
        var copies = StreamSetup.Copies(before: before, now: before, wanted: connection.replicas)
        do throws(JetStreamError) {
            copies.now = try replicateStream(stream, to: copies.wanted).configuration.replicas
        } catch {
            copies.refusal = error
        }
        return copies
    }

    private func update(
        _ there: StreamInfo, to configuration: StreamConfiguration
    ) throws(JetStreamError) -> StreamSetup {
        var wanted = configuration
        let room = wanted.maxBytes
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
            // Not alone: each change of a stream is a risk for readers (`JetStream.change`).
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
    ///
    /// An existing bucket gets the copies that it lacks, if the server has no users. When that is
    /// refused, it is used as it is: the streams of the tape, for which the same number is wanted,
    /// report it.
    package func openOrMakeBucket(
        _ configuration: KeyValueConfiguration
    ) throws(TapeError) -> KeyValueBucket {
        var wanted = configuration
        wanted.replicas = connection.replicas
        do throws(JetStreamError) {
            if let bucket = try openBucket(wanted) {
                if wanted.replicas > 1, !connection.demandsAuthorization {
                    _ = addCopies(to: try bucket.info())
                }
                return bucket
            }
            if !connection.demandsAuthorization { return try createBucket(wanted) }
        } catch {
            throw TapeError(making: error)
        }
        throw .missingStream(configuration.stream.name)
    }
}
