public import NatsTransport

/// What became of a stream, or of the one behind a bucket, that was to be there.
public struct StreamSetup: Equatable, Sendable {
    public enum Outcome: Equatable, Sendable {
        case made
        /// It was there, and has got room or subjects.
        case enlarged(from: Int64, subjects: Int)
        /// It was there as it is wanted, or holds more: none is made smaller.
        case left
        /// It holds less than was wanted, and the server refused to change that.
        case refused(JetStreamError)
    }

    public let stream: String
    public let outcome: Outcome
    /// What it holds at most now; -1: no limit.
    public let bytesMax: Int64
    public let wanted: Int64
}

extension JetStream {
    /// Makes the stream, or gives the one that is there what it lacks of subjects and room. Any
    /// other difference is `.differs`.
    public func setUpStream(
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
        // A size that the server has no room for is refused, also for a stream that is there.
        wanted.maxBytes = before.maxBytes
        // Asked to make one that is there, the server refuses what it was given that this client
        // has no name for, such as compression.
        let isAsWanted = wanted.differences(from: before).isEmpty
        let extended = isAsWanted ? there : try createOrExtendStream(wanted)
        let added = extended.configuration.subjects.count - before.subjects.count
        var outcome = StreamSetup.Outcome.left
        var present = extended.configuration.maxBytes
        do throws(JetStreamError) {
            present = try growStream(extended, to: room).configuration.maxBytes
            if added > 0 || present != before.maxBytes {
                outcome = .enlarged(from: before.maxBytes, subjects: added)
            }
        } catch {
            outcome = .refused(error)
        }
        return StreamSetup(
            stream: wanted.name, outcome: outcome, bytesMax: present, wanted: room)
    }

    /// The bucket. On a server without users it is made when it is not there; on one with users
    /// `tapeline setup` makes it, and until then it is `.missingStream`.
    public func openOrMakeBucket(
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
