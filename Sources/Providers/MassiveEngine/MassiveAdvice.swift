internal import EngineKit

/// What a person can do about what the service refuses.
enum MassiveAdvice {
    static let ofAccount =
        "check MASSIVE_API_KEY and the plan, and set MASSIVE_FEED=delayed for a delayed one"
    static let ofRequest =
        "check the symbol, remove this kind of data, or choose a plan that has it"
    /// By the status before a connection ends.
    static let ofEnd = [
        "auth_timeout": StreamAdvice.late,
        "slow_consumer": StreamAdvice.slow,
        "force_disconnect": "it is connected again by itself",
    ]
}
