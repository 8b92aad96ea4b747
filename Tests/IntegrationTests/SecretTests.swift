import Foundation
import Primitives
import TestSupport
import Testing

extension IntegrationTests {
    /// Secrets in files appear nowhere else.
    @Suite struct SecretTests {
        /// Returns the role's environment, with each password in a file.
        private func withFiles(
            _ environment: [String: String], _ folder: TemporaryFolder
        ) throws -> [String: String] {
            var keys = environment
            for (key, value) in environment where key.hasSuffix("_PASSWORD") {
                keys[key] = nil
                keys["\(key)_FILE"] = try folder.write(value + "\n", to: "\(key)-\(value.count)")
            }
            return keys
        }

        private func files(of process: Int32) throws -> String {
            try ["cmdline", "environ"].map {
                String(
                    decoding: try Data(
                        contentsOf: URL(filePath: "/proc/\(process)/\($0)")), as: UTF8.self)
            }.joined()
        }

        @Test("No secret is in a log of any level, an argument, an environment or a page")
        func nowhere() throws {
            let pipeline = try Pipeline(Pipeline.Load(ticks: 1_500, rate: 500))
            var services: [ServiceProcess] = []
            for role in Pipeline.Role.kinds {
                var keys = try withFiles(pipeline.environment(role), pipeline.folder)
                keys["LOG_LEVEL"] = "trace"
                let service = try ServiceProcess(
                    role.product, environment: keys, folder: pipeline.folder,
                    label: "\(role)-secret")
                services.append(service)
                pipeline.replace(role, by: service)
            }
            for service in services { #expect(try service.becomesReady()) }
            // Faults produce more log lines than a quiet run.
            try pipeline.nats.restart()
            try pipeline.postgres.psql(
                """
                SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE usename = '\(pipeline.database)'
                """)
            try pipeline.expectDrained()
            // The logs do contain messages of a deep level.
            let isDeep = eventually {
                services.contains { $0.events.contains { $0["level"]?.string == "debug" } }
            }
            #expect(isDeep)
            for service in services {
                let pages = try ["/status", "/metrics", "/readyz", "/healthz"]
                    .map { try service.get($0).body }.joined()
                let own = try files(of: service.id)
                #expect(own.contains("NATS_PASSWORD_FILE=") && pages.contains("mds_build_info"))
                for secret in pipeline.secrets {
                    #expect(!pages.contains(secret), "\(service.product)")
                    #expect(!own.contains(secret), "\(service.product)")
                }
            }
            // Also checks each log at the end.
            pipeline.stopAll()
        }
    }
}
