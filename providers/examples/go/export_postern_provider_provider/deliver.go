package export_postern_provider_provider

import (
	"encoding/json"
	"fmt"

	wit "go.bytecodealliance.org/pkg/wit/types"
	log "wit_component/postern_provider_log"
	types "wit_component/postern_provider_types"
)

func deliver(delivery types.Delivery) (types.Receipt, *types.Failure) {
	config, err := read(delivery.Config)
	if err != nil {
		return types.Receipt{}, failed(err.Error())
	}
	// Nothing is given away: where the key should be, a provider sees a placeholder.
	log.Write(log.Level_Debug, fmt.Sprintf("delivering %s with %s", delivery.Event.EventType, delivery.Config))
	body, err := encode(Message{
		EventType:        delivery.Event.EventType,
		Timestamp:        delivery.Event.Timestamp,
		DeliveryID:       delivery.Id,
		SubscriptionName: delivery.Subscription.Name,
		Priority:         config.Priority,
		Data:             json.RawMessage(delivery.Event.Payload),
	})
	if err != nil {
		return types.Receipt{}, failed(err.Error())
	}
	answer := config.send("POST", config.APIEndpoint, config.Timeout, wit.Some(body))
	if answer.IsErr() {
		return types.Receipt{}, failed(answer.Err().Message)
	}
	if response := answer.Ok(); !isSuccess(response) {
		return types.Receipt{}, failed(described(response))
	}
	return types.Receipt{ExternalId: externalID(answer.Ok().Body)}, nil
}
