import Foundation
import Primitives
import TestSupport
import Testing

extension IntegrationTests {
    /// The keys of providers in files appear nowhere else: of the real gateway, on simulated
    /// services that refuse the key after a while.
    @Suite struct ProviderSecretTests {
        struct Service: CustomTestStringConvertible, Sendable {
            let provider: String
            let program: String
            let list: String
            /// The flag of the simulator, and the setting, of each key.
            let keys: [(flag: String, setting: String, value: String)]
            let scheme: String
            var more: [String: String] = [:]
            var testDescription: String { provider }
        }

        // FRED's keys are of letters and digits; the others have what every encoding changes.
        static let services = [
            Service(
                provider: "fred", program: "polled-simulator", list: "fred",
                keys: [("--fred-key", "FRED_API_KEY", "k0123456789abcdefghijklmnopqrstu")],
                scheme: "http", more: ["FRED_EVERY": "1s"]),
            Service(
                provider: "coingecko", program: "polled-simulator", list: "coingecko",
                keys: [("--coin-key", "COINGECKO_API_KEY", "CG/0123+456=78%9\"ab&cd")],
                scheme: "http", more: ["COINGECKO_EVERY": "3s"]),
            Service(
                provider: "alpaca", program: "alpaca-simulator", list: "us-stocks",
                keys: [
                    ("--key", "ALPACA_API_KEY", "PK/0123+456=78%9\"AB&CD"),
                    ("--secret", "ALPACA_API_SECRET", "s/9876+543=21%0\"xy&zw/long-enough"),
                ], scheme: "ws", more: ["ALPACA_FEED": "sip"]),
            Service(
                provider: "massive", program: "massive-simulator", list: "massive-stocks",
                keys: [("--key", "MASSIVE_API_KEY", "m/0123+456=78%9\"AB&CD")], scheme: "ws"),
        ]

        /// A key as it is, in addresses, in JSON, and what base64 makes of it.
        static func forms(_ key: String) -> [String] {
            let json = key.replacing("\"", with: "\\\"")
            var forms = [key, json, json.replacing("/", with: "\\/")]
            forms += [
                key.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? key,
                key.addingPercentEncoding(withAllowedCharacters: .urlQueryAllowed) ?? key,
            ]
            for before in 0..<3 {
                let bytes = [UInt8](repeating: 65, count: before) + Array(key.utf8)
                // Without the digits that what stands beside it decides, too.
                let text = Data(bytes).base64EncodedString()
                forms.append(String(text.dropFirst(4).dropLast(4)))
            }
            return forms
        }

        private func environment(
            _ service: Service, _ folder: TemporaryFolder, port: UInt16, nats: NatsServer
        ) throws -> [String: String] {
            let url = service.keys[0].setting.replacing("_API_KEY", with: "_URL")
            var environment = [
                "GATEWAY_PROVIDER": service.provider, "GATEWAY_SOURCE": service.provider,
                "GATEWAY_LIVE": "false", url: "\(service.scheme)://127.0.0.1:\(port)",
                "GATEWAY_INSTRUMENTS":
                    "\(ServerPrograms.checkout)/services/provider-gateway/instruments/"
                    + "\(service.list).yaml",
                "NATS_URL": nats.url, "OPS_PORT": "0", "LOG_LEVEL": "trace", "LOG_FORMAT": "json",
                "GATEWAY_SPOOL": folder.file("spool"), "MDS_PARTITIONS": "4",
            ].merging(service.more) { $1 }
            for (_, setting, value) in service.keys {
                environment["\(setting)_FILE"] = try folder.write(value + "\n", to: setting)
            }
            return environment
        }

        /// Returns the bytes of all files below a folder.
        private func bytes(below path: String) throws -> Data {
            var all = Data()
            for name in FileManager.default.enumerator(atPath: path)?.allObjects ?? [] {
                let file = "\(path)/\(name)"
                let kind = try FileManager.default.attributesOfItem(atPath: file)[.type]
                guard kind as? FileAttributeType == .typeRegular else { continue }
                all += try Data(contentsOf: URL(filePath: file))
            }
            return all
        }

        @Test("A provider's key in a file is nowhere else", arguments: services)
        func nowhere(_ service: Service) throws {
            let folder = try TemporaryFolder("provider-secret")
            let nats = try NatsServer()
            let simulator = try SimulatorProcess(
                service.keys.flatMap { [$0.flag, $0.value] }, program: service.program)
            let environment = try environment(
                service, folder, port: simulator.port, nats: nats)
            let gateway = try ServiceProcess(
                "provider-gateway", environment: environment, folder: folder, label: "gateway")
            #expect(try gateway.becomesReady())
            #expect(simulator.isTakingCommands("expire"))
            if service.scheme == "ws" { #expect(simulator.isTakingCommands("cut")) }
            let isRefused = try eventually {
                try gateway.get("/status").body.contains("\"refused\"")
            }
            #expect(isRefused, "\(gateway.output)")
            let printed = try run(
                ProductPrograms.path("provider-gateway"), ["--print-config"],
                environment: environment)
            let process = try ["cmdline", "environ"].map {
                try Data(contentsOf: URL(filePath: "/proc/\(gateway.id)/\($0)"))
            }
            var places = [
                "pages": Data(
                    try ["/status", "/metrics", "/readyz", "/healthz"].map {
                        try gateway.get($0).body
                    }.joined().utf8),
                "--print-config": Data(printed.utf8), "arguments": process[0],
                "environment": process[1],
            ]
            #expect(gateway.stop() == 0)
            nats.stop()
            places["log"] = Data(gateway.output.utf8)
            places["NATS"] = try bytes(below: nats.folder.file("store"))
            places["spool"] = try bytes(below: folder.file("spool"))
            #expect(
                places["environment"]?.range(of: Data("_API_KEY_FILE=".utf8)) != nil
                    && printed.contains("<redacted>"))
            // What is stored can be read: packets name their source.
            #expect(places["NATS"]?.range(of: Data("ticks.0.\(service.provider)".utf8)) != nil)
            for (_, setting, value) in service.keys {
                for form in Self.forms(value) {
                    for (place, data) in places {
                        #expect(
                            data.range(of: Data(form.utf8)) == nil,
                            "\(setting) of \(service.provider) as \(form) in \(place)")
                    }
                }
            }
        }
    }
}

extension SimulatorProcess {
    /// Tells a command. Returns whether it was taken.
    fileprivate func isTakingCommands(_ line: String) -> Bool {
        do {
            return try command(line) == "ok"
        } catch {
            return false
        }
    }
}
