import ServiceRuntime

/// The limits of the cockpit, each with its behaviour.
enum CockpitLimits {
    /// Each question is asked once in this time, however many look.
    static let questionInterval = Duration.seconds(1)
    /// An event is made so often. Values that are measured once a second are then at most 1.6 s old
    /// when the next one comes, which is well below the age at which pages take them as dead.
    static let eventInterval = Duration.milliseconds(500)
    /// The process that carries actions out is asked once in this time also while nobody looks, how
    /// many messages it has not taken.
    static let carrierInterval = Duration.seconds(15)
    /// NATS answers within this time, or the question has no answer.
    static let natsTimeout = Duration.seconds(2)
    /// A stopping cockpit waits so long for the questions that are open. It is below the 10 s that
    /// `ServiceApplication` gives a service to stop.
    static let endTimeout = Duration.seconds(6)
    /// The most open streams, one for each browser that looks. At one more the status is 503.
    static let streamsMax = 64
    /// The bytes of a body, which is a token or an action. Beyond it the status is 413.
    static let bodyBytesMax = 8_192
    /// The most services whose pages are asked. More are refused at the start.
    static let servicesMax = 64

    /// A proxy brings all its clients by one address, so an address may have as many as all.
    static var connections: OperationsLimits {
        var limits = OperationsLimits()
        limits.connectionsMax = 256
        limits.connectionsPerAddressMax = 256
        return limits
    }
}
