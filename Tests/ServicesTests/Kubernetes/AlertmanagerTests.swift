import Foundation
import TestSupport
import Testing
import YAMLFile

/// The component `alerts`.
@Suite("Kubernetes: alerts that arrive")
struct AlertmanagerTests {
    @Test("it is found by Prometheus, starts without the Secret, and takes what it has")
    func component() throws {
        let rendered = try Variant.withAlerts()
        let sender = try #require(rendered.manifest("Deployment", "alertmanager"))
        let command = sender.container?["command"]?.list ?? []
        #expect(command == ["/bin/sh", "/etc/alertmanager/tapeline/start.sh"])
        let environment = try rendered.environment(of: sender)
        let folder = try #require(environment["ALERTS_FOLDER"])
        let secret = try #require(sender.volumes.first { $0["secret"] != nil })
        #expect(secret["secret", "optional"]?.text == "true")
        let mount = sender.mounts.first { $0["name"]?.text == secret["name"]?.text }
        #expect(mount?["mountPath"]?.text == folder)
        let maps: [String] = sender.volumes.compactMap { $0["configMap", "name"]?.text }
        let map = try #require(maps.first)
        let files = rendered.manifest("ConfigMap", map)?.node["data"]?.mapping ?? []
        #expect(files.map(\.key).sorted() == ["routes.yml", "start.sh"])
        // Prometheus sends to its Service.
        let service = try #require(rendered.manifest("Service", "alertmanager"))
        #expect(service.node["spec", "ports"]?.sequence?.first?["port"]?.text == "9093")
        let scrapes = try CheckoutFiles.text("deploy/prometheus/kubernetes.yml")
        #expect(scrapes.components(separatedBy: "alertmanager.tapeline.svc:9093").count == 3)
        let guide = try CheckoutFiles.text("deploy/kubernetes/README.md")
        #expect(guide.contains("create secret generic tapeline-alerts --from-file=webhook"))
        let script = try CheckoutFiles.text("deploy/alertmanager/start.sh")
        for key in ["webhook", "watchdog", "receiver.yml"] {
            #expect(script.contains(key), "\(key)")
        }
    }

    @Test("the cockpit asks the Prometheus of the example, and a policy lets it")
    func cockpit() throws {
        let rendered = try Variant.withAlerts()
        let cockpit = try #require(rendered.manifest("Deployment", "cockpit"))
        let place = "http://prometheus.monitoring.svc:9090"
        #expect(try rendered.environment(of: cockpit)["COCKPIT_PROMETHEUS"] == place)
        let policy = try #require(rendered.manifest("NetworkPolicy", "to-prometheus"))
        #expect(policy.node["spec", "podSelector"]?.selects(cockpit.podLabels) == true)
        let rule = policy.node["spec", "egress"]?.sequence?.first
        #expect(rule?["ports"]?.sequence?.first?["port"]?.text == "9090")
        let space = rule?["to"]?.sequence?.first?["namespaceSelector", "matchExpressions"]
        #expect(space?.sequence?.first?["values"]?.list == ["monitoring"])
        // KEDA asks the same one.
        let scaler = try CheckoutFiles.text("deploy/keda/prometheus/store-writer.yaml")
        #expect(scaler.contains("serverAddress: \(place)\n"))
    }

    @Test("the image is that of images.env")
    func image() throws {
        let rendered = try Variant.withAlerts()
        let sender = try #require(rendered.manifest("Deployment", "alertmanager"))
        let images = try CheckoutFiles.text("deploy/images.env")
        #expect(images.contains("\nALERTMANAGER=\(sender.container?["image"]?.text ?? "?")\n"))
    }
}
