package export_postern_provider_provider

import types "wit_component/postern_provider_types"

// The example with a fault: it writes into a map that nobody made.
func deliver(delivery types.Delivery) (types.Receipt, *types.Failure) {
	var seen map[string]bool
	seen[delivery.Id] = true
	return types.Receipt{}, nil
}
