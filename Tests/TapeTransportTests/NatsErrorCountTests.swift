import ServiceRuntime
import Testing

@testable import TapeTransport

@Suite struct NatsErrorCountTests {
    private func page(after text: String) -> String {
        let metrics = MetricRegistry()
        metrics.countNatsError(text)
        return String(decoding: metrics.render(), as: UTF8.self)
    }

    @Test(
        "an error that is no refused log-in is counted",
        arguments: [
            "nats://n:4222: Permissions Violation for Publish to \"md.ticks.0.a\"",
            "nats://n:4222: Maximum Payload Violation",
            "nats://n:4222: messages come faster than they are handled; dropped",
        ])
    func counted(text: String) {
        #expect(page(after: text).contains("\nmds_nats_errors_total 1\n"), "\(page(after: text))")
    }

    @Test(
        "a refused log-in is not counted: each new password refuses some",
        arguments: [
            "Authorization Violation", "Authentication Violation", "Authentication Timeout",
            "User Authentication Expired", "Account Authentication Expired",
            "User Authentication Revoked",
        ])
    func refusedLogIn(text: String) {
        #expect(page(after: "nats://n:4222: \(text)").isEmpty)
    }
}
