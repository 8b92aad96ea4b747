/// What a person can do about what the service refuses.
enum MassiveAdvice {
    static let ofAccount =
        "check MASSIVE_API_KEY and the plan, and set MASSIVE_FEED=delayed for a delayed one"
    static let ofOccupied =
        "another session is connected, or was cut off just now: end it, or wait two minutes"
    static let ofRequest =
        "check the symbol, remove this kind of data, or choose a plan that has it"
    /// By the status before a connection ends.
    static let ofEnd = [
        "auth_timeout": "check the network, and a proxy between: the key was sent too late",
        "slow_consumer": "remove instruments, or give this machine more processor or network",
        "force_disconnect": "it is connected again by itself",
    ]
}
