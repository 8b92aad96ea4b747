package import EngineKit
package import ProviderKit
package import ServiceRuntime

/// A load of a past that is asked for page by page over HTTP.
package struct PagedSetup<Service: PagedHistory>: HistorySetup
where Service.Request: PastRequest {
    package let name: String
    package let range: HistorySettings
    private let service: Service
    private let address: PastAddress

    /// `name`: the provider's. `address`: where the past is.
    package init(
        _ name: String, _ range: HistorySettings, _ service: Service, _ address: PastAddress
    ) {
        (self.name, self.range, self.service, self.address) = (name, range, service, address)
    }

    package func makeService() -> Service { service }

    package func makeClient(
        _ waker: ProviderWake
    ) throws -> sending HTTPHistoryClient<Service> {
        HTTPHistoryClient(try address.requests { waker.wake() }, waker)
    }
}

extension ProviderKind {
    /// Returns a kind that loads past trades or bars page by page.
    package static func pagedHistory<Service: PagedHistory>(
        _ name: String, keys: [ConfigurationKey], rules: [ConfigurationRule],
        _ setup: @escaping @Sendable (Configuration) throws -> PagedSetup<Service>
    ) -> ProviderKind where Service.Request: PastRequest {
        ProviderKind(
            name: name, keys: keys + HistoryKeys.loadRange, rules: rules + [HistoryKeys.rule],
            isRecorded: true
        ) { context in
            HistoryProvider(try setup(context.configuration), context)
        }
        .continuingAfterLast()
        .loadingPast { context, instruments, shutdown in
            let setup = try setup(context.configuration)
            return HistoryCounter(setup.makeService(), setup.range).plan(
                try setup.makeClient(ProviderWake()), instruments, shutdown, context.telemetry)
        }
    }
}
