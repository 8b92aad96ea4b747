import Foundation
import TestSupport
import Testing

/// Alerts on their way to people: `alert_delivery.py` runs a real Alertmanager with the shipped
/// start script, routes and examples.
@Suite("Alerts that arrive") struct DeliveryTests {
    @Test("webhook, mail, chat and watchdog get what they should, and a consequence says nothing")
    func delivery() throws {
        let programs = (try ServerPrograms.require(ServerPrograms.alertmanager("alertmanager")))
        _ = try ServerPrograms.require(ServerPrograms.alertmanager("amtool"))
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("alert_delivery.py").path
        try run(
            "/usr/bin/env",
            [
                "python3", script, ServerPrograms.checkout,
                (programs as NSString).deletingLastPathComponent,
            ], environment: ["PYTHONDONTWRITEBYTECODE": "1"])
    }
}
