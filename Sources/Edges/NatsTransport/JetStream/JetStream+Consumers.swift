import Primitives

// Consumers are made here.
extension JetStream {
    /// The most consumers that are requested at the same time.
    private static let consumersMax = 64

    /// Makes a consumer. A consumer of the same name may exist only with the same configuration.
    /// When the call returns it hears pulls of this connection, unless `isHeard` is false.
    /// Returns the name of the server on which it is, and whose copy of the stream it reads.
    @discardableResult
    package func createConsumer(
        stream: String, _ configuration: ConsumerConfiguration, isHeard: Bool = true
    ) throws(JetStreamError) -> String? {
        let end = ContinuousClock.now + timeout
        onCall(timeout)
        let number = try beginConsumer(stream, configuration)
        return try finishConsumer(number, stream, configuration, isHeard: isHeard, until: end)
    }

    /// Makes several consumers, and returns what `createConsumer` returns for each, in their order.
    /// They are requested in rounds of `consumersMax`; a round takes little longer than one of
    /// them, and `timeout` at most.
    package func createConsumers(
        _ wanted: [(stream: String, configuration: ConsumerConfiguration)]
    ) -> [Result<String?, JetStreamError>] {
        var results: [Result<String?, JetStreamError>] = []
        results.reserveCapacity(wanted.count)
        while results.count < wanted.count {
            let round = wanted[results.count...].prefix(Self.consumersMax)
            let end = ContinuousClock.now + timeout
            onCall(timeout)
            let begun = round.map { stream, configuration -> Result<UInt64, JetStreamError> in
                do throws(JetStreamError) {
                    return .success(try beginConsumer(stream, configuration))
                } catch {
                    return .failure(error)
                }
            }
            for ((stream, configuration), begun) in zip(round, begun) {
                results.append(
                    begun.flatMap { number in
                        do throws(JetStreamError) {
                            return .success(
                                try finishConsumer(
                                    number, stream, configuration, isHeard: true, until: end))
                        } catch {
                            return .failure(error)
                        }
                    })
            }
        }
        return results
    }

    /// Requests a consumer, and returns the number of the request.
    private func beginConsumer(
        _ stream: String, _ configuration: ConsumerConfiguration
    ) throws(JetStreamError) -> UInt64 {
        let operation = Self.operation(stream, configuration)
        try requireToken(stream, operation)
        try requireToken(configuration.name, operation)
        var body = JSONWriter()
        body.object { json in
            json.member("stream_name", stream)
            json.key("config")
            configuration.write(into: &json)
            json.member("action", "create")
        }
        do throws(NatsError) {
            return try connection.beginRequest(
                body.bytes, to: Self.subject(stream, configuration), headers: [])
        } catch {
            throw failure(error, operation)
        }
    }

    private func finishConsumer(
        _ number: UInt64, _ stream: String, _ configuration: ConsumerConfiguration, isHeard: Bool,
        until end: ContinuousClock.Instant
    ) throws(JetStreamError) -> String? {
        let operation = Self.operation(stream, configuration)
        let reply: NatsMessage
        do throws(NatsError) {
            reply = try connection.finishRequest(
                number, to: Self.subject(stream, configuration),
                timeout: max(.zero, end - ContinuousClock.now))
        } catch {
            throw failure(error, operation)
        }
        // No error code is 0, so no refusal is treated as "absent".
        let made = try parsed(answer(in: reply, operation, absentCode: 0), operation)
        // A server that is alone has no name of a cluster.
        if isHeard, made.at("cluster", "name")?.string?.isEmpty == false {
            // What a slow server has left of the time is not enough to hear it.
            try waitUntilHeard(stream, configuration.name, until: max(end, .now + timeout / 2))
        }
        return made.at("cluster", "leader")?.string
    }

    private static func operation(_ stream: String, _ configuration: ConsumerConfiguration)
        -> String
    {
        "create consumer \(configuration.name) on stream \(stream)"
    }

    private static func subject(_ stream: String, _ configuration: ConsumerConfiguration) -> String
    {
        "$JS.API.CONSUMER.CREATE.\(stream).\(configuration.name)"
    }
}
